"""Anthropic's own types, held against what we say."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from anthropic import types
from pydantic import BaseModel, TypeAdapter

Json = dict[str, Any]
Kind = TypeVar("Kind", bound=BaseModel)
_EVENTS: TypeAdapter[Any] = TypeAdapter(types.RawMessageStreamEvent)


def strictly(kind: type[Kind], told: Json) -> Kind:
    """Raises `ValidationError` for a field that is missing or has another type."""
    return kind.model_validate_json(json.dumps(told), strict=True)


def events_in(said: bytes) -> list[Json]:
    """Each event, checked: its name is its type, and all that Anthropic promises is there."""
    assert said.endswith(b"\n\n")
    events = []
    for block in said.decode().removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        event: Json = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        if event["type"] not in ("ping", "error"):
            _EVENTS.validate_json(json.dumps(event), strict=True)
        events.append(event)
    return events
