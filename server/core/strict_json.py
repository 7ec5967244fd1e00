"""The one parser of JSON that came from outside.

Stricter than `json.loads`: duplicate keys, NaN, numbers too large for a float, lone surrogates,
a byte order mark, bad UTF-8 and deep nesting are refused, because two processes that read them
differently can be played against each other.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

import orjson

from server.core.errors import BadRequest
from server.core.limits import MAX_JSON_DEPTH, MAX_JSON_VALUES

_KEY_END: Final = b'":'


def parse_json(raw: bytes, *, max_depth: int = MAX_JSON_DEPTH) -> Any:
    """The value in `raw`; an integer beyond 64 bits may come as a float.

    Raises `BadRequest` that says what is wrong with it.
    """
    opened = raw.count(b"{") + raw.count(b"[")
    if opened + raw.count(b",") > MAX_JSON_VALUES:
        raise _bad(f"it holds more than {MAX_JSON_VALUES} values")
    if opened <= max_depth:
        ends = raw.count(_KEY_END)
        if _is_plain(raw, ends):
            try:
                value = orjson.loads(raw)
            except orjson.JSONDecodeError:
                pass  # what is wrong is said below
            else:
                # Of two equal keys, only the last would be written again.
                if orjson.dumps(value).count(_KEY_END) == ends:
                    return value
    return _parse_slowly(raw, max_depth)


def _is_plain(raw: bytes, ends: int) -> bool:
    """Whether `_KEY_END`, which `raw` holds `ends` times, stands behind each key, and elsewhere
    only where it would if the value were written again: no space before a colon, and no quote or
    colon is written as an escape."""
    if b"\\" in raw and b"\\u00" in raw:
        return False
    if raw.count(b":") == ends:
        return True
    return not (b" :" in raw or b"\n:" in raw or b"\t:" in raw or b"\r:" in raw)


def _parse_slowly(raw: bytes, max_depth: int) -> Any:
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
