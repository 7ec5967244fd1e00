from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.features.chat.recovery import MAX_LOSSES, Diverged, Recovery, Replay


@given(st.text(max_size=60), st.text(max_size=20), st.lists(st.integers(1, 9), max_size=60))
def test_only_what_is_new_comes_out_however_the_text_is_cut(
    known: str, rest: str, sizes: list[int]
) -> None:
    replay, whole, at, fresh = Replay(known), known + rest, 0, ""
    for size in [*sizes, len(whole) + 1]:
        fresh += replay.fresh(whole[at : at + size])
        at += size
    assert fresh == rest
    assert replay.is_through


def test_another_answer_is_noticed_at_its_first_other_character() -> None:
    replay = Replay("The sky is blue")
    assert replay.fresh("The sky ") == ""
    with pytest.raises(Diverged):
        replay.fresh("was grey")


def test_an_answer_that_ends_too_early_is_not_through() -> None:
    replay = Replay("The sky is blue")
    replay.fresh("The sky")
    assert not replay.is_through


async def test_a_lost_way_is_looked_for_at_growing_intervals() -> None:
    recovery = Recovery(60, may_replay=True)
    assert [recovery.pause_s(0, cost=False) for _ in range(5)] == [0.25, 0.5, 1.0, 2.0, 2.0]


async def test_one_question_costs_few_workers() -> None:
    recovery = Recovery(60, may_replay=True)
    pauses = [recovery.pause_s(0, cost=True) for _ in range(MAX_LOSSES + 1)]
    assert pauses == [0.25] * MAX_LOSSES + [None]


async def test_an_answer_that_has_begun_goes_on_only_where_it_can_be_repeated() -> None:
    assert Recovery(60, may_replay=False).pause_s(10, cost=True) is None
    assert Recovery(60, may_replay=False).pause_s(0, cost=False) is not None
    assert Recovery(60, may_replay=True).pause_s(10, cost=True) is not None


async def test_the_search_ends() -> None:
    assert Recovery(0.1, may_replay=True).pause_s(0, cost=False) is None
