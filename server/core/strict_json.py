"""The one parser of JSON that came from outside.

Stricter than `json.loads`: duplicate keys, NaN, numbers too large for a float, lone surrogates,
a byte order mark, bad UTF-8 and deep nesting are refused, because two processes that read them
differently can be played against each other.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any, Final, NoReturn

import orjson

from server.core.errors import BadRequest
from server.core.limits import MAX_JSON_DEPTH, MAX_JSON_VALUES

_HOLDERS: Final = (dict, list)


def parse_json(raw: bytes, *, max_depth: int = MAX_JSON_DEPTH) -> Any:
    """The value in `raw`; an integer beyond 64 bits may come as a float.

    Raises `BadRequest` that says what is wrong with it.
    """
    opened = raw.count(b"{") + raw.count(b"[")
    # Each takes a byte at least, so most bodies need not be searched for commas.
    if len(raw) > MAX_JSON_VALUES and opened + raw.count(b",") > MAX_JSON_VALUES:
        raise _bad(f"it holds more than {MAX_JSON_VALUES} values")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _parse_slowly(raw, max_depth)  # it says what is wrong
    if opened <= max_depth or not _depth_exceeds(value, max_depth):
        again = orjson.dumps(value)
        if raw == again or _has_every_key(again, raw):
            return value
    return _parse_slowly(raw, max_depth)


def _has_every_key(again: bytes, raw: bytes) -> bool:
    """Whether no key comes twice in `raw`, of which `again` is the value, written anew.

    Of two equal keys only the last is written, so a colon is missing: each key has one, and no
    text gets more of them than it had, unless one was written as an escape. Then it is False.
    """
    return again.count(b":") == raw.count(b":") and b"\\u003" not in raw


def _parse_slowly(raw: bytes, max_depth: int) -> Any:
    if not raw:
        raise _bad("it is empty")
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


def whole(digits: str) -> int:
    """For `parse_int`. Raises `ValueError` in our words where Python has a limit of its own."""
    try:
        return int(digits)
    except ValueError:
        most = sys.get_int_max_str_digits()
        raise ValueError(f"a number has more than {most} digits") from None


def _writable(digits: str) -> int | float:
    """What has more than 64 bits as a float: nobody here could write it again."""
    value = whole(digits)
    return value if -(2**63) <= value < 2**64 else _finite(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("a number is beyond 1.8e308, which is the most that one can be")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_constant=_refuse_constant,
    parse_float=_finite,
    parse_int=_writable,
)


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = _holders([value])
    for _ in range(limit):
        if not level:
            return False
        level = [inner for holder in level for inner in _holders(holder)]
    return bool(level)


def _holders(values: Any) -> list[Any]:
    """The objects and arrays in an object or array."""
    held = values.values() if isinstance(values, dict) else values
    return [value for value in held if isinstance(value, _HOLDERS)]


def _has_lone_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
