"""A gateway that answers from a script, over a real socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import orjson

from tests.fakes.upstream import LAST_CHUNK, STREAM_HEAD, Received, Writer, chunk, whole

MODELS = [{"id": "m", "abilities": ["chat", "completions"], "context_length": 4096}]


@dataclass(slots=True)
class ScriptedGateway:
    words: tuple[str, ...] = ("Hel", "lo 你好 ", "world")
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared, an answer stands still after its first word."""
    models: list[dict[str, object]] = field(default_factory=lambda: list(MODELS))
    refusal: bytes | None = None
    writers: set[Writer] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.go_on.set()

    def hang_up(self) -> None:
        """On everybody."""
        for writer in self.writers:
            writer.close()

    async def __call__(self, received: Received, writer: Writer) -> None:
        self.writers.add(writer)
        path = received.head.split(b" ")[1]
        if path == b"/v1/chat/completions":
            await self._chat(writer)
        elif path == b"/v1/models":
            writer.write(whole(orjson.dumps({"object": "list", "data": self.models})))
        else:
            writer.write(whole(b'{"error":{"message":"nothing here"}}', "404 Not Found"))

    async def _chat(self, writer: Writer) -> None:
        if self.refusal is not None:
            writer.write(self.refusal)
            return
        writer.write(STREAM_HEAD)
        for word in self.words:
            writer.write(chunk(_event({"choices": [{"delta": {"content": word}}]})))
            await writer.drain()
            await self.go_on.wait()
        end = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
        writer.write(chunk(_event(end)) + chunk(b"data: [DONE]\n\n") + LAST_CHUNK)


def _event(value: object) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"
