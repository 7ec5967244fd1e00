"""A chat that came in chunks, put together as it would have come whole."""

from __future__ import annotations

from typing import Any, Final

from server.gateway.dialects.values import Json

MAX_DEPTH: Final = 16
"""Levels of a choice; what a model says is never so deep."""
_LABELS: Final = frozenset({"finish_reason", "id", "name", "role", "type"})
"""Texts that are said once and do not grow."""
_OF_CHUNKS: Final = ("choices", "object", "shortline", "usage")


class Folding:
    """`whole`: of all chunks that it was `told` of. Raises `ValueError` and the like for what makes
    no sense."""

    def __init__(self) -> None:
        self._about: Json = {}
        self._usage: Json | None = None
        self._choices: dict[int, Json] = {}

    def tell(self, chunk: Json) -> None:
        said = {name: value for name, value in chunk.items() if name not in _OF_CHUNKS}
        self._about |= {name: value for name, value in said.items() if value is not None}
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices") or ():
            index = choice.get("index") or 0
            known = self._choices.setdefault(
                index, {"index": index, "message": {}, "finish_reason": None, "logprobs": None}
            )
            told = {"message": choice.get("delta"), "logprobs": choice.get("logprobs")}
            _fold(known, told | {"finish_reason": choice.get("finish_reason")}, 0)

    def whole(self) -> Json:
        choices = [_closed(choice) for _, choice in sorted(self._choices.items())]
        for choice in choices:
            for call in choice["message"].get("tool_calls") or ():
                call.pop("index", None)
        usage = {} if self._usage is None else {"usage": self._usage}
        return self._about | {"object": "chat.completion", "choices": choices} | usage


class _Text(list[str]):
    """In the pieces in which it came."""


def _fold(known: Json, said: Json, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError("a choice is nested too deep")
    for name, value in said.items():
        known[name] = _grown(name, known.get(name), value, depth)


def _grown(name: str, before: Any, value: Any, depth: int) -> Any:
    """What was said of `name` until now, and `value` as well."""
    if value is None:
        return before
    if isinstance(value, dict):
        before = {} if before is None else before
        _fold(before, value, depth + 1)
    elif isinstance(value, list):
        before = [] if before is None else before
        for item in value:
            _add(before, item, depth + 1)
    elif isinstance(value, str) and name not in _LABELS:
        before = _Text() if before is None else before
        before.append(value)
    return before or value


def _add(known: list[Any], item: Any, depth: int) -> None:
    """Items with a number grow, as calls of functions do; others stand one behind another."""
    place = item.get("index") if isinstance(item, dict) else None
    if type(place) is not int:
        known.append(item)
        return
    numbered = (one for one in known if isinstance(one, dict) and one.get("index") == place)
    grown = next(numbered, None)
    if grown is None:
        grown = {"index": place}
        known.append(grown)
    _fold(grown, {name: value for name, value in item.items() if name != "index"}, depth + 1)


def _closed(value: Any) -> Any:
    if isinstance(value, _Text):
        return "".join(value)
    if isinstance(value, dict):
        return {name: _closed(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_closed(one) for one in value]
    return value
