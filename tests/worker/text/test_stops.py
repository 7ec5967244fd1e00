from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.worker.text.stops import StopHolder

LETTERS = st.text(alphabet="abc", max_size=30)
STOPS = st.lists(st.text(alphabet="abc", min_size=1, max_size=4), max_size=3)


def shown(pieces: list[str], stops: list[str]) -> tuple[str, bool]:
    holder = StopHolder(stops)
    text = "".join(holder.feed(piece) for piece in pieces)
    return text + holder.flush(), holder.stopped


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


@given(LETTERS, STOPS, st.lists(st.integers(0, 100)))
def test_any_cutting_shows_the_same_text(text: str, stops: list[str], cuts: list[int]) -> None:
    assert shown(pieces_of(text, cuts), stops) == shown([text], stops)


@given(LETTERS, STOPS, st.lists(st.integers(0, 100)))
def test_no_stop_text_is_ever_shown(text: str, stops: list[str], cuts: list[int]) -> None:
    found, stopped = shown(pieces_of(text, cuts), stops)
    assert not any(stop in found for stop in stops)
    assert text.startswith(found)
    assert stopped == any(stop in text for stop in stops)


@given(LETTERS, STOPS)
def test_nothing_shown_is_taken_back(text: str, stops: list[str]) -> None:
    holder = StopHolder(stops)
    so_far = ""
    for letter in text:
        so_far += holder.feed(letter)
        assert shown([text], stops)[0].startswith(so_far)


def test_only_what_may_become_a_stop_is_held_back() -> None:
    holder = StopHolder(["STOP"])
    shown_now = [holder.feed(piece) for piece in ("one S", "T", "art", "STO")]
    assert shown_now == ["one ", "", "STart", ""]
    assert holder.flush() == "STO"


@pytest.mark.parametrize("stops", [[], [""]])
def test_without_stops_everything_passes_at_once(stops: list[str]) -> None:
    holder = StopHolder(stops)
    assert holder.feed("abc") == "abc"
    assert holder.flush() == ""


def test_after_a_stop_nothing_follows() -> None:
    holder = StopHolder(["。"])
    assert holder.feed("你好。再见") == "你好"
    assert holder.stopped
    assert holder.feed("more") == ""
    assert holder.flush() == ""
