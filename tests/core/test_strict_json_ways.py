"""The fast way is the slow way: the same values, the same refusals, for whatever comes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.core import strict_json
from server.core.errors import BadRequest
from server.core.limits import MAX_JSON_DEPTH
from server.core.strict_json import parse_json

LEAST, MOST = -(2**63), 2**64 - 1


class Refused(str):
    """Why."""


def outcome(raw: bytes) -> Any:
    try:
        return parse_json(raw)
    except BadRequest as error:
        return Refused(error)


def slow_outcome(raw: bytes) -> Any:
    try:
        return strict_json._parse_slowly(raw, MAX_JSON_DEPTH)
    except BadRequest as error:
        return Refused(error)


def same(fast: Any, slow: Any) -> bool:
    """To the last bit and in the same order, but for integers that no 64 bits hold."""
    if isinstance(fast, float) and type(slow) is int:
        return not LEAST <= slow <= MOST and fast == float(slow)
    if type(fast) is not type(slow):
        return False
    if isinstance(fast, dict):
        return list(fast) == list(slow) and all(same(fast[key], slow[key]) for key in fast)
    if isinstance(fast, list):
        return len(fast) == len(slow) and all(map(same, fast, slow))
    if isinstance(fast, float):
        return fast == slow and math.copysign(1, fast) == math.copysign(1, slow)
    return bool(fast == slow)


def assert_same(raw: bytes) -> None:
    fast, slow = outcome(raw), slow_outcome(raw)
    assert same(fast, slow), (raw, fast, slow)


COLONS = ['":', ":", '"', '\\"', '":"', "\\", " :", '"a":', "a", "", "一", "\n:", "\u2028"]
ESCAPES = [r"\u0061", r"\u0022:", r"\u0022\u003a", r"\"\u003A", r"\/", r"\\", r"\":", r"\u4e00"]
ESCAPES += [
    r"\ud83d\ude42",
    r"\ud83d",
    r"\ude42\ud83d",
    r"\ud83da",
    r"\u00e9",
    r"\"",
    r"\n",
    r"\t:",
]
spaces = st.sampled_from(["", "", "", " ", "\n", "\t", "\r", " \n", "\x0c", "\u00a0"])
pieces = st.sampled_from(["a", "b", ":", " ", "/", "一", "🙂", "é", "", *ESCAPES])
strings = st.one_of(
    st.sampled_from(['"a"', '"b"', '"\\u0061"', '""', '":"', '"\\":"', '"\\u0022:"']),
    st.lists(pieces, max_size=4).map(lambda parts: '"' + "".join(parts) + '"'),
    st.sampled_from(COLONS).map(json.dumps),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6).map(json.dumps),
)
numbers = st.one_of(
    st.integers(-(2**66), 2**66).map(str),
    st.integers(LEAST - 2, LEAST + 2).map(str),
    st.integers(MOST - 2, MOST + 2).map(str),
    st.floats().map(json.dumps),
    st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{0,20})?([eE][+-]?[0-9]{0,4})?", fullmatch=True),
)
scalars = strings | numbers | st.sampled_from(["null", "true", "false", "nul", "NaN", "'a'", ""])


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    member = st.tuples(spaces, strings, spaces, st.just(":"), spaces, inner, spaces).map("".join)
    return st.lists(member, max_size=4).map(lambda members: "{" + ",".join(members) + "}")


def arrays(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    item = st.tuples(spaces, inner, spaces).map("".join)
    return st.lists(item, max_size=4).map(lambda items: "[" + ",".join(items) + "]")


texts = st.recursive(scalars, lambda inner: objects(inner) | arrays(inner), max_leaves=12)


@settings(max_examples=500, deadline=None)
@given(texts)
@example('{"a":1,"a":2}')
@example('{"a":"\\":","a":"\\u0022:"}')
@example('{"a":{"b":1},"a":{"b":2,"c":3}}')
@example('{"\\u0061":"x","a":"\\":"}')
@example("-0")
@example("[18446744073709551615,18446744073709551616,-9223372036854775809]")
def test_both_ways_agree_on_what_is_nearly_json(text: str) -> None:
    assert_same(text.encode())


@settings(max_examples=300, deadline=None)
@given(texts, st.data())
def test_both_ways_agree_on_what_is_damaged(text: str, data: st.DataObject) -> None:
    raw = text.encode()
    at = data.draw(st.integers(0, len(raw)))
    put = data.draw(st.sampled_from([b"", b'"', b":", b'":', b"\\", b" ", b",", b"\xff", b"\x00"]))
    assert_same(raw[:at] + put + raw[at + data.draw(st.integers(0, 2)) :])


KEYS = ["a", '":', ":", "", '"', "\\", '\\"', " :", "é", "🙂", "/", "\n", "a" * 70]


def spellings(key: str) -> list[str]:
    """Of one string: raw, escaped where it can be, escaped throughout."""
    units = key.encode("utf-16-be")
    numbers = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    escaped = "".join(f"\\u{number:04x}" for number in numbers)
    return [
        json.dumps(key, ensure_ascii=False),
        json.dumps(key),
        json.dumps(key, ensure_ascii=False).replace("/", "\\/"),
        f'"{escaped}"',
        f'"{escaped.upper().replace("U", "u")}"',
    ]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("between", ["1", '"\\":"', '"\\u0022:"', '":"', '{"a":1}', '["\\":"]'])
def test_a_key_that_comes_twice_is_found_however_it_is_spelt(key: str, between: str) -> None:
    for one in spellings(key):
        for two in spellings(key):
            for space in ("", " ", "\n", "\t"):
                for value in ("2", '"\\":\\":\\":"', '"\\u0022:\\u0022:"', '"\\"\\u003a"', '":::"'):
                    members = f"{one}{space}:{between},{two}:{value}"
                    for raw in ("{%s}", '[{"x":{%s},"y":":"}]', '{"k":"\\":","l":{%s}}'):
                        found = outcome((raw % members).encode())
                        assert isinstance(found, Refused) and "twice" in found, raw % members


@pytest.mark.parametrize("brackets", ["[]", "{}"])
@pytest.mark.parametrize("depth", [1, 63, 64, 65, 66, 1023, 1025, 5000])
def test_both_ways_agree_on_nesting(brackets: str, depth: int) -> None:
    first, last = brackets[0], brackets[1]
    opened = first if first == "[" else '{"a":'
    text = opened * depth + "1" + last * depth
    assert_same(text.encode())
    assert isinstance(outcome(text.encode()), Refused) == (depth > MAX_JSON_DEPTH)


@pytest.mark.parametrize(
    "raw",
    [
        *(
            b"%de%d" % (digit, power)
            for digit in (1, 9, -9)
            for power in (307, 308, 309, 400, -400)
        ),
        *(b"9" * digits for digits in (18, 19, 20, 300, 309, 310, 4299, 4301, 6000)),
        *(b"-" + b"9" * digits for digits in (18, 19, 20, 300, 309, 310)),
        b"1.7976931348623157e308",
        b"1.7976931348623159e308",
        b"2.2250738585072011e-308",
        b"5e-324",
        b"123456789012345678901234567890.5",
        b"-0.0",
        b"\xef\xbb\xbf{}",
        b'"\xed\xa0\x80"',
        b'"\xc0\x80"',
        b'"\xf4\x90\x80\x80"',
        b'"\x7f"',
        b'"\x1f"',
        b'{"a":1}\x00',
        b"",
        b" ",
    ],
)
def test_both_ways_agree_at_the_edges(raw: bytes) -> None:
    assert_same(raw)
    assert_same(b'{"a":[%b]}' % raw)


def test_the_fast_way_is_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the laws above say nothing."""
    monkeypatch.setattr(strict_json, "_parse_slowly", None)
    said = {"model": "m", "messages": [{"role": "user", "content": 'say "a": b, {"a":1}'}]}
    assert parse_json(json.dumps(said, indent=1).encode()) == said
    assert parse_json(json.dumps(said, separators=(",", ":")).encode()) == said
    said["messages"] = [{"role": "user", "content": "[1] {2}"}] * 100
    assert parse_json(json.dumps(said).encode()) == said
