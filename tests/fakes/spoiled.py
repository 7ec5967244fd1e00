"""Bodies that no honest client sends, made from one that would be served (promises F1 to F6)."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

WRONG: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 2**63, 10**40, -(10**40), 1e308, "", "x", "x" * 3000, "\0", "👾",
    "inf", "-Infinity", "-1", "1e999",
    [], {}, [None], [[]], [{}], ["", 1], {"a": None}, {"": {"": []}}, [10**40], {"a": 10**40},
)  # fmt: skip
"""Whatever a field may be, most of these are something else."""


def spoiled(good: dict[str, Any]) -> dict[str, bytes]:
    """By what is wrong with it. None of them is JSON that two readers would read alike."""
    raw = json.dumps(good).encode()

    def plus(field: bytes) -> bytes:
        return raw[:-1] + (b"," if good else b"") + field + b"}"

    return {
        "empty": b"",
        "white space": b" \r\n\t",
        "cut": raw[:-1],
        "trailing text": raw + b" x",
        "two of them": raw + raw,
        "a list": b"[" + raw + b"]",
        "null": b"null",
        "a string": b'"x"',
        "a form": b"model=echo&stream=true",
        "bad UTF-8": plus(b'"x":"\xff"'),
        "a character too long": plus(b'"x":"\xc0\xaf"'),
        "half a character": plus(b'"x":"\\ud800"'),
        "half a character as UTF-8": plus(b'"x":"\xed\xa0\x80"'),
        "half a character in a key": plus(b'"\\udfff":1'),
        "UTF-16": raw.decode().encode("utf-16"),
        "UTF-32": raw.decode().encode("utf-32"),
        "byte order mark": b"\xef\xbb\xbf" + raw,
        "a control character": plus(b'"x":"\x00"'),
        "not a number": plus(b'"x":NaN'),
        "infinite": plus(b'"x":-Infinity'),
        "too large": plus(b'"x":1e999'),
        "endless number": plus(b'"x":' + b"9" * 5_000),
        "the same key twice": plus(b'"x":1,"x":1'),
        "the same key twice, once in escapes": plus(b'"x":1,"\\u0078":1'),
        "deep": plus(b'"x":' + b"[" * 64 + b"]" * 64),
        "very deep": plus(b'"x":' + b"[" * 100_000 + b"]" * 100_000),
        "very deep objects": plus(b'"x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        "open for ever": b"[" * 100_000,
        "a comment": plus(b'"x":/**/1'),
        "single quotes": plus(b"'x':1"),
    }


def broken(good: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """`good` with one field, also of an object inside, missing or wrong in each of many ways."""
    found: list[tuple[str, dict[str, Any]]] = []
    for name, value in good.items():
        found.append((f"no {name}", {k: v for k, v in good.items() if k != name}))
        found += [(f"{name}={bad!r:.40}", good | {name: bad}) for bad in WRONG]
        if isinstance(value, dict):
            found += [(f"{name}.{what}", good | {name: inner}) for what, inner in broken(value)]
    return found


def with_a_million_keys(good: dict[str, Any]) -> bytes:
    """About 11 MB: more than most routes read."""
    return json.dumps(good)[:-1].encode() + _a_million_keys() + b"}"


@cache
def _a_million_keys() -> bytes:
    return b"".join(b',"%d":0' % number for number in range(10**6))
