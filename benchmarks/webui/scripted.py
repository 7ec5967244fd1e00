"""A gateway that says what it is told to: `python -m benchmarks.webui.scripted`.

The question is the script, in JSON: how many characters of rich text, in pieces of what size, how
far apart. Serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from benchmarks.chat.serving import serve
from benchmarks.gateway.messages import Frozen
from benchmarks.webui.text import ending, rich

MODEL = "scripted"


class Script(Frozen):
    chars: int = 0
    piece: int = 64
    """Characters."""
    every_ms: float = 0.0
    number: int = 0
    """Of the message, for its last line."""

    def text(self) -> str:
        return rich(self.chars) + ending(self.number)

    def lasts_s(self) -> float:
        return len(self.text()) / self.piece * self.every_ms / 1000


async def _models(request: Request) -> Response:
    model = {"id": MODEL, "object": "model", "abilities": ["chat"], "context_length": 1_000_000}
    return JSONResponse({"object": "list", "data": [model]})


async def _chat(request: Request) -> Response:
    body = await request.json()
    try:
        script = Script.model_validate_json(body["messages"][-1]["content"])
    except ValidationError:
        script = Script()
    return StreamingResponse(_events(script), media_type="text/event-stream")


async def _events(script: Script) -> AsyncIterator[bytes]:
    text, loop = script.text(), asyncio.get_running_loop()
    begun_s = loop.time()
    for number, start in enumerate(range(0, len(text), script.piece)):
        at_s = begun_s + number * script.every_ms / 1000
        await asyncio.sleep(max(0.0, at_s - loop.time()))
        yield _event({"delta": {"content": text[start : start + script.piece]}})
    yield _event({"delta": {}, "finish_reason": "stop"}) + b"data: [DONE]\n\n"


def _event(choice: dict[str, object]) -> bytes:
    return b"data: " + orjson.dumps({"choices": [{"index": 0, **choice}]}) + b"\n\n"


def create_scripted() -> Starlette:
    return Starlette(
        routes=[
            Route("/v1/models", _models),
            Route("/v1/chat/completions", _chat, methods=["POST"]),
        ]
    )


if __name__ == "__main__":
    serve(create_scripted())
