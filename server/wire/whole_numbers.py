"""Whole numbers beyond 64 bits, which are too large for whatever they are meant."""

from __future__ import annotations

from math import inf
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

T = TypeVar("T", bound=BaseModel)
Loc = tuple[int | str, ...]

_BITS: Final = 2.0**63


def validate(kind: type[T], body: dict[str, Any]) -> T:
    """As `model_validate`. The parser makes a float of so large a number (core/strict_json.py);
    here it is told to be beyond its field's limit, not to be no whole number.

    Raises `ValidationError`.
    """
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        number = first["input"]
        if not isinstance(number, float) or not _BITS <= abs(number) < inf:
            raise
    return kind.model_validate(_replaced(body, keys_of(first["loc"], body), int(number)))


def keys_of(loc: Loc, body: Any) -> list[int | str]:
    """Where in `body` it is: pydantic also names the branches of unions."""
    keys: list[int | str] = []
    for at, part in enumerate(loc, 1):
        if isinstance(body, list):
            if isinstance(part, str):
                continue
            keys.append(part)
            body = body[part] if part < len(body) else None
        elif isinstance(body, dict):
            if part not in body and at < len(loc):
                continue
            keys.append(part)
            body = body.get(part)
        else:
            break
    return keys


def _replaced(body: Any, keys: list[int | str], value: int) -> Any:
    """`body` with another value at its place; what lies on the way there is copied."""
    if not keys:
        return value
    copied = body.copy()
    copied[keys[0]] = _replaced(body[keys[0]], keys[1:], value)
    return copied
