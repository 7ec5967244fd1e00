from __future__ import annotations

from itertools import pairwise

import pytest

from server.worker.asked import Prepared, Scored
from server.worker.local.scores import Scores, of_prompt


def scored(*texts: bytes) -> list[Scored]:
    return [Scored(number, text, -float(number)) for number, text in enumerate(texts)]


def begins(scores: Scores, end: int) -> list[tuple[bytes, int]]:
    return [(placed.text, placed.begin) for placed in scores.until(end)]


def test_a_token_is_told_with_the_text_that_it_begins() -> None:
    scores = Scores()
    scores.add(scored(b"one", b" two", b"", b" three"))
    assert begins(scores, 0) == []
    assert begins(scores, 3) == [(b"one", 0)]
    assert begins(scores, 5) == [(b" two", 3)]
    assert begins(scores, 7) == [(b"", 7)]
    assert [placed.text for placed in scores.rest()] == [b" three"]
    assert scores.rest() == []


def test_the_parts_of_a_character_begin_where_it_does() -> None:
    scores = Scores(10)
    euro = "€".encode()
    scores.add(scored(b"a", euro[:1], euro[1:2], euro[2:], b"b"))
    assert begins(scores, 11) == [(b"a", 10)]
    assert [begin for _, begin in begins(scores, 99)] == [11, 11, 11, 12]


@pytest.mark.parametrize(
    ("text", "rest", "first"),
    [
        ("one two", (b" two",), b"one"),
        ("hello", (b"hello",), b""),  # a begin mark stood in front
        ("<s>hello", (b"hello",), b"<s>"),
        ("hello", (b" hello",), b""),  # some vocabularies put a space in front
        ("x", (), b"x"),
    ],
)
def test_a_prompts_first_token_is_what_the_others_leave(
    text: str, rest: tuple[bytes, ...], first: bytes
) -> None:
    prepared = Prepared(len(rest) + 1, text, None)
    placed = of_prompt(prepared, (None, *scored(*rest)))
    assert [one.text for one in placed] == [first, *rest]
    assert placed[0].scored is None
    assert placed[0].begin == 0
    assert all(one.end == two.begin for one, two in pairwise(placed))
    assert of_prompt(prepared, ()) == []
