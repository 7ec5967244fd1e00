from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from server.ledger.key import Limits
from server.ledger.new_key import NewKey


def test_what_is_left_out_is_no_limit() -> None:
    assert NewKey(name="a").limits == Limits()
    made = NewKey.model_validate(
        {
            "name": "a",
            "models": ["m", "m", "Qwen/Qwen3"],
            "requests_per_minute": 1,
            "tokens_per_minute": 2,
            "parallel": 3,
            "tokens_per_day": 4,
        }
    )
    assert made.limits == Limits(frozenset({"m", "Qwen/Qwen3"}), 1, 2, 3, 4)


NO_NAMES: list[Any] = [
    *("", " a", "a ", "a\nb", "a\0b", "\ud800", "\u202eevil", "x" * 101, "x" * 10**6),
    *("sk-sl-abc", "sk-mine", "key-1", "\x1b[31mred", 7, None, True),
]


def test_a_name_is_a_short_line_that_people_can_read() -> None:
    for name in NO_NAMES:
        with pytest.raises(ValidationError):
            NewKey(name=name)


def test_one_name_has_one_spelling() -> None:
    assert NewKey(name="Ame\u0301lie").name == "Am\u00e9lie"


@pytest.mark.parametrize(
    "limit", ["requests_per_minute", "tokens_per_minute", "parallel", "tokens_per_day"]
)
@pytest.mark.parametrize("value", [0, -1, True, 1.0, 1.5, "5", 2**63, [], float("nan")])
def test_a_limit_is_a_whole_number_above_zero(limit: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        NewKey.model_validate({"name": "a", limit: value})


@pytest.mark.parametrize(
    "change",
    [
        {"models": []},
        {"models": [""]},
        {"models": ["a\0"]},
        {"models": ["\udfff"]},
        {"models": ["m" * 201]},
        {"models": ["m"] * 101},
        {"models": "m"},
        {"models": [1]},
        {"lane": "express"},
        {"lane": 1},
        {"admin": 1},
        {"admin": "true"},
        {"expires": 0},
        {"expires": -5},
        {"expires": True},
        {"expires": 1e12},
        {"expires": 10**15},
        {"revoked": 1},
        {"id": "key-1"},
        {"digest": "00"},
    ],
)
def test_everything_else_is_refused_too(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewKey.model_validate({"name": "a"} | change)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*NewKey.model_fields, "x"]), JSON))
def test_whatever_comes_is_a_key_or_a_refusal(body: dict[str, Any]) -> None:
    try:
        made = NewKey.model_validate(body)
    except ValidationError:
        return
    made.model_dump_json().encode()
    limits = made.limits
    for limit in (limits.requests_per_minute, limits.parallel, limits.tokens_per_day):
        assert limit is None or 1 <= limit < 2**63
