from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.dispatch import (
    DRAWN,
    POLICIES,
    Candidate,
    Method,
    choose,
    lottery,
    method_for,
    shortest_queue,
    two_choices,
    wait_of,
)

candidates = st.builds(
    Candidate,
    st.text(min_size=1),
    st.integers(0, 100),
    st.integers(0, 100),
    st.floats(0.1, 10),
    st.integers(1, 64),
)
alike = st.builds(
    Candidate,
    st.text(min_size=1),
    st.integers(0, 2),
    st.integers(0, 3),
    st.just(1.0),
    st.just(1),
)
"""Workers of one kind, so that many are equally busy."""


def worker(
    address: str, mine: int = 0, others: int = 0, speed: float = 1.0, slots: int = 1
) -> Candidate:
    return Candidate(address, mine, others, speed, slots)


def draw(
    policy: Callable[[Sequence[Candidate]], Candidate | None], times: int, *found: Candidate
) -> Counter[str]:
    return Counter(chosen.address for _ in range(times) if (chosen := policy(found)))


def test_a_request_just_sent_counts_before_any_heartbeat() -> None:
    busy, idle = worker("a", mine=2, others=1), worker("b", others=2)
    assert shortest_queue([busy, idle]) == idle


def test_a_worker_twice_as_fast_may_have_a_longer_queue() -> None:
    fast, slow = worker("fast", mine=2, speed=2.0), worker("slow", mine=1)
    assert shortest_queue([fast, slow]) == fast


def test_more_slots_drain_a_queue_faster() -> None:
    wide, narrow = worker("wide", mine=3, slots=4), worker("narrow", mine=1)
    assert shortest_queue([wide, narrow]) == wide


@pytest.mark.parametrize("policy", [shortest_queue, two_choices])
def test_equals_share_the_requests(
    policy: Callable[[Sequence[Candidate]], Candidate | None],
) -> None:
    drawn = draw(policy, 600, worker("a"), worker("b"), worker("c"))
    assert min(drawn.values()) > 130
    assert len(drawn) == 3


def test_the_lottery_follows_speed() -> None:
    drawn = draw(lottery, 800, worker("a", speed=3), worker("b"))
    assert 500 < drawn["a"] < 700


@pytest.mark.parametrize("method", get_args(Method))
def test_nobody_there_is_nobody_chosen(method: Method) -> None:
    assert choose(method, []) is None
    only = worker("a", mine=7)
    assert choose(method, [only]) is only


@given(st.lists(candidates, min_size=1))
def test_nobody_waits_less_than_the_chosen_one(found: list[Candidate]) -> None:
    chosen = shortest_queue(found)
    assert chosen is not None
    wait = {id(c): (c.mine + c.others + 1) / (c.slots * c.speed) for c in found}
    assert wait[id(chosen)] == min(wait.values())


@given(st.sampled_from(get_args(Method)), st.lists(candidates, min_size=1))
def test_the_chosen_one_is_one_of_those_there(method: Method, found: list[Candidate]) -> None:
    chosen = choose(method, found)
    assert any(chosen is candidate for candidate in found)


@given(st.lists(candidates, min_size=1, max_size=DRAWN))
def test_of_two_choices_none_has_more_of_this_process_than_it_must(found: list[Candidate]) -> None:
    chosen = two_choices(found)
    assert chosen is not None
    busy = {id(c): c.mine / (c.slots * c.speed) for c in found}
    assert busy[id(chosen)] == min(busy.values())


@given(st.lists(alike, min_size=2, max_size=DRAWN))
def test_the_better_of_two_is_never_the_one_that_is_worst(found: list[Candidate]) -> None:
    chosen = two_choices(found)
    assert chosen is not None
    least = min(c.mine for c in found)
    waits = sorted(wait_of(c) for c in found if c.mine == least)
    if len(waits) > 1 and waits[-1] > waits[-2]:
        assert wait_of(chosen) < waits[-1]


def test_of_two_equally_busy_with_its_own_the_one_less_busy_with_others_is_chosen() -> None:
    drawn = draw(two_choices, 50, worker("a", others=3), worker("b", others=2))
    assert drawn == {"b": 50}


def test_its_own_count_comes_before_what_others_are_said_to_have() -> None:
    drawn = draw(two_choices, 50, worker("a", others=9), worker("b", mine=1))
    assert drawn == {"a": 50}


def test_not_everybody_runs_to_the_worker_that_was_the_least_busy() -> None:
    found = [worker(f"w{number}", others=number) for number in range(10)]
    drawn = draw(two_choices, 1_000, *found)
    # of the pairs of ten, one in five has the least busy, and none ends at the busiest
    assert 130 < drawn["w0"] < 270
    assert drawn["w9"] == 0
    assert draw(shortest_queue, 20, *found) == {"w0": 20}


def test_of_very_many_workers_some_are_drawn_and_all_can_be() -> None:
    found = [worker(f"w{number}", mine=number % 2) for number in range(4 * DRAWN)]
    drawn = draw(two_choices, 4_000, *found)
    assert len(drawn) == 2 * DRAWN
    assert all(int(address[1:]) % 2 == 0 for address in drawn)


def test_several_gateways_make_two_choices_and_one_takes_the_shortest() -> None:
    assert (method_for(1), method_for(2), method_for(16)) == (
        "shortest_queue",
        "two_choices",
        "two_choices",
    )
    assert set(POLICIES) == set(get_args(Method))
