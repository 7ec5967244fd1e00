"""Changing the model's name in a request."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.model_name import with_model

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(names, names, st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
def test_only_the_models_name_changes(ours: str, theirs: str, rest: dict[str, str]) -> None:
    body = json.dumps(rest | {"model": ours}).encode()
    assert json.loads(with_model(body, ours, theirs)) == rest | {"model": theirs}


def test_every_other_byte_stays() -> None:
    body = b'{"temperature": 1.50,\n "model" : "ours", "x":"\\u4e00"}'
    assert with_model(body, "ours", "theirs") == body.replace(b'"ours"', b'"theirs"')


def test_a_model_inside_a_message_is_text() -> None:
    body = b'{"messages":[{"model":"ours","content":"\\"model\\":\\"ours\\""}],"model":"ours"}'
    changed = with_model(body, "ours", "theirs")
    assert changed == body[: -len(b'"ours"}')] + b'"theirs"}'


def test_a_key_written_with_escapes_is_refused() -> None:
    with pytest.raises(ValueError, match="top-level"):
        with_model(b'{"mod\\u0065l":"ours"}', "ours", "theirs")


def test_a_body_full_of_nested_models_takes_one_pass() -> None:
    inside = b'{"messages":[' + b'{"model":"ours"},' * 120_000 + b"0],"
    changed = with_model(inside + b'"model":"ours"}', "ours", "theirs")
    assert changed == inside + b'"model":"theirs"}'


def test_brackets_inside_strings_are_text() -> None:
    body = b'{"a":"{[\\"","b":[[{"model":"ours"}]],"c":"model","model":"ours"}'
    changed = with_model(body, "ours", "theirs")
    assert changed == body[: -len(b'"ours"}')] + b'"theirs"}'
