from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import PydanticCustomError

from server.wire.openai_parts import MAX_PARTS, text_in


def test_texts_are_joined_and_nothing_is_empty() -> None:
    parts = [
        {"type": "text", "text": "a "},
        {"type": "input_text", "text": "b "},
        {"type": "refusal", "refusal": "no"},
    ]
    assert text_in(parts) == "a b no"
    assert text_in([]) == text_in(None) == ""
    assert text_in("x") == "x"
    assert text_in(5) == 5


@pytest.mark.parametrize(
    ("part", "at"),
    [
        ({"type": "image_url", "image_url": {"url": "http://x"}}, "[1]"),
        ({"type": "input_audio", "input_audio": {}}, "[1]"),
        ({"type": "file", "file": {}}, "[1]"),
        ({"type": ["text"], "text": "x"}, "[1]"),
        ({}, "[1]"),
        ("x", "[1]"),
        (None, "[1]"),
        ({"type": "text"}, "[1].text"),
        ({"type": "text", "text": 5}, "[1].text"),
        ({"type": "refusal", "text": "x"}, "[1].refusal"),
    ],
)
def test_a_part_that_is_no_text_is_named(part: Any, at: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        text_in([{"type": "text", "text": "x"}, part])
    assert caught.value.context is not None
    assert caught.value.context["at"] == at


def test_too_many_parts_are_refused_unread() -> None:
    with pytest.raises(PydanticCustomError, match="at most"):
        text_in([None] * (MAX_PARTS + 1))
