"""Reading and writing the chunks of a stream; whoever wrote them is not trusted."""

from __future__ import annotations

from typing import Any

import orjson

from server.core.sse import data_event
from server.gateway.failover.diverged import Diverged

Json = dict[str, Any]

MAX_CHOICES = 1024
MAX_DEPTH = 16
"""Levels of a choice; what is compared is never so deep."""
SHAPES: dict[str, type] = {"delta": dict, "text": str, "logprobs": dict, "token_ids": list}
"""What of a choice is compared, and what it must be when it is there."""


def is_end_mark(data: bytes) -> bool:
    return data.strip() == b"[DONE]"


def is_error(chunk: Json) -> bool:
    return bool(chunk.get("error"))


def read_chunk(data: bytes) -> Json:
    """A chunk whose choices can be compared, or an error. Raises `Diverged`."""
    try:
        chunk = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Diverged("an event is not JSON") from error
    if not isinstance(chunk, dict):
        raise Diverged("an event is not an object")
    if not is_error(chunk):
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise Diverged("a chunk has no list of choices")
        for choice in choices:
            _check(choice)
    return chunk


def index_of(choice: Json) -> int:
    """Where there is only one choice, some servers do not number it."""
    index: int = choice.get("index", 0)
    return index


def is_empty(value: Any) -> bool:
    """Whether it says nothing; a number always says something."""
    return value is None or (isinstance(value, str | list | dict) and not value)


def check_depth(path: tuple[str | int, ...]) -> None:
    if len(path) > MAX_DEPTH:
        raise Diverged(f"a choice is nested deeper than {MAX_DEPTH} levels")


def write_event(chunk: Json) -> bytes:
    """Raises `Diverged` for what can be read but not written: orjson writes fewer levels."""
    try:
        return data_event(chunk)
    except TypeError as error:
        raise Diverged("a chunk is nested too deep") from error


def write_item(item: Any) -> bytes:
    """An item of a list in one way of writing, so that two can be compared at any depth."""
    try:
        return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise Diverged("a chunk is nested too deep") from error


def _check(choice: Any) -> None:
    if not isinstance(choice, dict):
        raise Diverged("a choice is not an object")
    index = index_of(choice)
    if type(index) is not int or not 0 <= index < MAX_CHOICES:
        raise Diverged("a choice has no number")
    for key, shape in SHAPES.items():
        value = choice.get(key)
        if value is not None and not isinstance(value, shape):
            raise Diverged(f"{key!r} of a choice is something else")
    reason = choice.get("finish_reason")
    if reason is not None and not isinstance(reason, str):
        raise Diverged("a finish reason is not a word")
