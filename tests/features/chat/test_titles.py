from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.features.chat.titles import MAX_TITLE_CHARS, title_from


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("What is Shortline?", "What is Shortline?"),
        ("  \n\n# Plan the *trip*\nDetails follow.", "Plan the trip"),
        ("Explain this. And then that.", "Explain this."),
        ("你是谁？请介绍一下。", "你是谁？"),
        ("```python", "python"),
        ("***", "***"),
        ("version 2.0 is out", "version 2.0 is out"),
    ],
)
def test_the_first_sentence_is_the_title(query: str, title: str) -> None:
    assert title_from(query) == title


def test_a_long_one_is_cut_at_a_word() -> None:
    title = title_from("please tell me everything there is to know about the history of railways")
    assert title == "please tell me everything there is to know about the…"


@given(st.text(min_size=1, max_size=500))
def test_a_title_is_one_short_line(query: str) -> None:
    title = title_from(query)
    assert len(title) <= MAX_TITLE_CHARS
    assert "\n" not in title
    assert bool(title) == bool(query.strip())
