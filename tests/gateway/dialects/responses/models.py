"""A worker that speaks as a chat does, on cue."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.fakes.upstream import LAST_CHUNK, STREAM_HEAD, Received, Script, Writer, chunk, whole

USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


def answer(**message: Any) -> bytes:
    """A whole one."""
    said = {"role": "assistant", "content": None} | message
    finish = "tool_calls" if said.get("tool_calls") else "stop"
    choice = {"index": 0, "message": said, "finish_reason": finish, "logprobs": None}
    return json.dumps({"model": "m", "choices": [choice], "usage": USAGE}).encode()


def event(**delta: Any) -> bytes:
    """A chunk of a stream; `finish` in it is why it ends."""
    finish = delta.pop("finish", None)
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"model": "m", "choices": [choice]}).encode() + b"\n\n"


def end(finish: str = "stop") -> bytes:
    usage = json.dumps({"model": "m", "choices": [], "usage": USAGE}).encode()
    return event(finish=finish) + b"data: " + usage + b"\n\n" + b"data: [DONE]\n\n"


def speaks(*texts: str) -> Script:
    """Says it whole, or piece by piece, as it is asked."""

    async def script(asked: Received, writer: Writer) -> None:
        if json.loads(asked.body).get("stream"):
            pieces = [chunk(event(content=text)) for text in texts]
            writer.write(STREAM_HEAD + b"".join(pieces) + chunk(end()) + LAST_CHUNK)
        else:
            writer.write(whole(answer(content="".join(texts))))

    return script


def waits(go: asyncio.Event, *first: str) -> Script:
    """Begins, and says the rest when it may."""

    async def script(asked: Received, writer: Writer) -> None:
        if json.loads(asked.body).get("stream"):
            writer.write(STREAM_HEAD + b"".join(chunk(event(content=text)) for text in first))
            await writer.drain()
            await go.wait()
            writer.write(chunk(event(content="rest") + end()) + LAST_CHUNK)
        else:
            await go.wait()
            writer.write(whole(answer(content="rest")))

    return script
