from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.worker.text.thinking import Marks, Thoughts

MARKS = Marks("<think>", "</think>")


def told(pieces: list[str], *, inside: bool = False) -> tuple[str, str]:
    thoughts = Thoughts(MARKS, inside=inside)
    parts = [thoughts.feed(piece) for piece in pieces] + [thoughts.flush()]
    return "".join(p.thought for p in parts), "".join(p.answer for p in parts)


@pytest.mark.parametrize(
    ("text", "thought", "answer"),
    [
        ("<think>a b</think>c", "a b", "c"),
        ("<think>\n\na\n\nb\n</think>\n\nc\n", "a\n\nb", "c\n"),
        ("\n <think>a</think>c", "a", "c"),
        ("<think>\n\n</think>\n\nc", "", "c"),
        ("<think>never closed", "never closed", ""),
        ("<think>a</thi", "a</thi", ""),
        ("<think>a</think>", "a", ""),
        ("<think>a<think>b</think>c</think>d", "a<think>b", "c</think>d"),
        ("no <think>a</think>", "", "no <think>a</think>"),
        ("</think>c", "", "</think>c"),
        ("<thin", "", "<thin"),
        ("<thinker>", "", "<thinker>"),
        ("\n c", "", "\n c"),
        ("", "", ""),
    ],
)
def test_thought_and_answer_are_told_apart(text: str, thought: str, answer: str) -> None:
    assert told([text]) == told(list(text)) == (thought, answer)


@pytest.mark.parametrize(
    ("text", "thought", "answer"),
    [
        ("a</think>c", "a", "c"),
        ("\na", "a", ""),
        ("<think>a</think>c", "a", "c"),
        ("<thi</think>c", "<thi", "c"),
        ("<thi", "<thi", ""),
        ("", "", ""),
    ],
)
def test_a_prompt_may_have_begun_the_thought(text: str, thought: str, answer: str) -> None:
    assert told([text], inside=True) == told(list(text), inside=True) == (thought, answer)


PART = st.sampled_from(["<think>", "</think>", "<", "th", "</thi", "\n", "a", "nk>", " "])


@given(parts=st.lists(PART, max_size=12), cuts=st.lists(st.integers(0, 40)), inside=st.booleans())
def test_however_the_text_is_cut_the_same_comes_out(
    parts: list[str], cuts: list[int], inside: bool
) -> None:
    text = "".join(parts)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(places)]
    assert told(pieces, inside=inside) == told([text], inside=inside)


def test_what_is_no_mark_is_not_held_back() -> None:
    thoughts = Thoughts(MARKS)
    assert thoughts.feed("a") == ("", "a")
    assert thoughts.feed("<") == ("", "<")
    thoughts = Thoughts(MARKS)
    assert thoughts.feed("<think>ab") == ("ab", "")
    assert thoughts.feed("\n<") == ("", "")
    assert thoughts.feed("b") == ("\n<b", "")


def test_it_knows_where_the_answer_begins() -> None:
    thoughts = Thoughts(MARKS)
    thoughts.feed("<think>a</think>\n")
    assert (thoughts.begun, thoughts.over, thoughts.answer_at) == (True, True, None)
    thoughts.feed("\ncd")
    assert (thoughts.answer_at, thoughts.told) == (18, 20)
