from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import BadRequest
from server.core.strict_json import parse_json, parse_object

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)  # others may come as floats
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


@given(values)
def test_what_json_writes_is_read_back(value: Any) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_a_bad_request(raw: bytes) -> None:
    try:
        parse_json(raw)
    except BadRequest as error:
        assert error.code == "invalid_json"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b'{"a":1,"a":2}', "twice"),
        (b'{"x":{"a":1,"a":2}}', "twice"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b"", "it is empty"),
        (b"1e999", "a number is beyond 1.8e308, which is the most that one can be"),
        (b"[-1%s]" % (b"0" * 400), "beyond 1.8e308"),
        (b"[%s]" % (b"1" * 5000), "a number has more than 4300 digits"),
        (b'"\\ud83d"', "surrogate"),
        (b'{"\\udc00":1}', "surrogate"),
        (b"\xff", "UTF-8"),
        (b"[" * 65 + b"]" * 65, "deeper"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper"),
        (b"[" * 100_000, "deeper"),
        (b"[" + b"1," * 500_001 + b"1]", "more than 500000 values"),
        (b"[" + b"{}," * 300_000 + b"{}]", "more than 500000 values"),
    ],
)
def test_each_trick_is_refused_by_name(raw: bytes, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        parse_json(raw)


def test_depth_counts_nesting_and_not_brackets_in_text() -> None:
    assert parse_json(b"[" * 64 + b"]" * 64)
    assert parse_json(json.dumps("[" * 500).encode()) == "[" * 500
    assert len(parse_json(b"[" + b"[]," * 500 + b"[]]")) == 501


def test_a_whole_surrogate_pair_is_text() -> None:
    assert parse_json(b'"\\ud83d\\ude42"') == "🙂"


def test_an_object_is_wanted_where_an_object_is_wanted() -> None:
    with pytest.raises(BadRequest, match="object"):
        parse_object(b"[]")


def test_a_number_of_more_than_64_bits_can_be_written_again() -> None:
    value = parse_json(b'{"a": "\\u003a", "b": ' + b"9" * 30 + b"}")
    assert orjson.loads(orjson.dumps(value)) == {"a": ":", "b": 1e30}
