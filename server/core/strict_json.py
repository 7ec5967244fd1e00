"""The one parser of JSON that came from outside.

Stricter than `json.loads`: duplicate keys, NaN, numbers too large for a float, lone surrogates,
a byte order mark, bad UTF-8 and deep nesting are refused, because two processes that read them
differently can be played against each other.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from server.core.errors import BadRequest
from server.core.limits import MAX_JSON_DEPTH, MAX_JSON_VALUES


def parse_json(raw: bytes, *, max_depth: int = MAX_JSON_DEPTH) -> Any:
    """The value in `raw`. Raises `BadRequest` that says what is wrong with it."""
    if sum(map(raw.count, (b",", b"{", b"["))) > MAX_JSON_VALUES:
        raise _bad(f"it holds more than {MAX_JSON_VALUES} values")
    try:
        text = raw.decode("utf-8")
        value = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise _bad(f"it is not UTF-8 (byte {error.start})") from error
    except RecursionError as error:
        raise _bad(f"it is nested deeper than {max_depth} levels") from error
    except ValueError as error:
        raise _bad(str(error)) from error
    if text.count("[") + text.count("{") > max_depth and _depth_exceeds(value, max_depth):
        raise _bad(f"it is nested deeper than {max_depth} levels")
    if "\\u" in text and _has_lone_surrogate(value):
        raise _bad("a string holds half of a surrogate pair")
    return value


def parse_object(raw: bytes) -> dict[str, Any]:
    """As `parse_json`, for a body that must be an object."""
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise _bad("it must be an object")
    return value


def _bad(reason: str) -> BadRequest:
    return BadRequest(f"The request body is not valid JSON: {reason}.", code="invalid_json")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
)


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [child for node in level for child in _children(node)]
    return any(isinstance(node, dict | list) for node in level)


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def _has_lone_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
