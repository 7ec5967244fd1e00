"""Chunks of a chat as servers write them."""

from __future__ import annotations

import json
from typing import Any

from server.core.sse import data_event, event_data
from tests.gateway.failover.answers import Json


def chunk(delta: Json | None = None, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return frame(choice, **more)


def frame(*choices: Json, id: str = "old", created: int = 1, **more: Any) -> bytes:
    kind = "chat.completion.chunk"
    head = {"id": id, "object": kind, "created": created, "model": "m", "choices": choices}
    return data_event(head | more)


def text(content: str, **more: Any) -> bytes:
    return chunk({"content": content}, **more)


def read(stream: bytes) -> list[Json]:
    """Its chunks."""
    return [json.loads(data) for data in event_data(stream) if data != b"[DONE]"]


ROLE = chunk({"role": "assistant", "content": "", "refusal": None})
STOP = chunk(finish="stop")
NEW = {"id": "new", "created": 2}
COUNTS = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
USAGE = frame(usage=COUNTS)
