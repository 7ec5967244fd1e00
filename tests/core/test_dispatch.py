from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.dispatch import (
    DRAWN,
    POLICIES,
    Candidate,
    Method,
    age_s,
    choose,
    lottery,
    policy_for,
    shortest_queue,
    soon_s,
    two_choices,
    unseen_by,
    wait_of,
    waterline,
)
from server.core.limits import BEAT_SOON_S, BEATS_PER_S, HEARTBEAT_S, LOADS_SOON_S

candidates = st.builds(
    Candidate,
    st.text(min_size=1),
    st.integers(0, 100),
    st.integers(0, 100),
    st.floats(0.1, 10),
    st.integers(1, 64),
)
absurd = st.builds(
    Candidate,
    st.text(min_size=1),
    st.integers(0, 100),
    st.sampled_from([0, 2**53 - 1]),
    st.sampled_from([5e-324, 1e-300, 1.0, 1e300]),
    st.sampled_from([1, 2**31]),
)
"""What a worker may say of itself."""
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


@pytest.mark.parametrize("policy", [shortest_queue, two_choices, waterline])
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


# several gateways ----------------------------------------------------------------------------


def test_where_nothing_is_unseen_the_shortest_queue_is_taken() -> None:
    found = [worker("a", mine=1, others=1), worker("b", others=1), worker("c", others=3)]
    assert draw(waterline, 50, *found) == {"b": 50}


@given(st.lists(alike, min_size=1, max_size=DRAWN))
def test_of_equal_workers_the_one_taken_has_no_longer_queue_than_any_other(
    found: list[Candidate],
) -> None:
    chosen = waterline(found)
    assert chosen is not None
    assert wait_of(chosen) == min(wait_of(candidate) for candidate in found)


@given(st.lists(candidates | absurd, min_size=1), st.floats(0, 1e9))
def test_somebody_is_taken_whatever_is_unseen(found: list[Candidate], unseen: float) -> None:
    chosen = waterline(found, unseen)
    assert any(chosen is candidate for candidate in found)
    assert waterline([], unseen) is None


def test_requests_that_are_unseen_fill_the_lowest_places_first() -> None:
    found = [worker("low"), worker("next", others=4), worker("high", others=8)]
    drawn = draw(partial(waterline, unseen=5), 900, *found)  # with this one: to 5, 5 and no more
    assert drawn["high"] == 0
    assert 690 < drawn["low"] < 810
    assert 90 < drawn["next"] < 210


def test_the_more_is_unseen_the_less_the_reports_decide() -> None:
    found = [worker("idle"), worker("busy", others=4)]
    assert draw(partial(waterline, unseen=2), 100, *found)["busy"] == 0
    assert draw(partial(waterline, unseen=1_000), 600, *found)["busy"] > 240


def test_among_low_ones_its_own_requests_decide_which_it_knows_exactly() -> None:
    found = [worker("mine", mine=1), worker("theirs", others=3)]
    assert draw(partial(waterline, unseen=50), 50, *found) == {"theirs": 50}


def test_a_worker_twice_as_fast_is_filled_with_twice_as_many() -> None:
    found = [worker("fast", speed=2.0), worker("slow"), worker("wide", slots=2)]
    drawn = draw(partial(waterline, unseen=99), 1_000, *found)
    assert 130 < drawn["slow"] < 270
    assert min(drawn["fast"], drawn["wide"]) > 310


def test_one_gateway_takes_the_shortest_queue_and_several_reckon_with_one_another() -> None:
    assert policy_for(1, 0.0) is shortest_queue
    found = [worker("idle"), worker("busy", others=4)]
    assert draw(policy_for(16, 1_000.0), 600, *found)["busy"] > 240
    assert draw(policy_for(16, 0.0), 50, *found) == {"idle": 50}
    assert set(POLICIES) == set(get_args(Method))


def test_the_others_are_taken_to_send_as_often_as_this_one() -> None:
    assert unseen_by(16, own_per_s=10.0, age_s=0.1) == pytest.approx(15.0)
    assert unseen_by(1, own_per_s=10.0, age_s=0.1) == 0.0


def test_many_workers_beat_less_often_and_never_less_than_by_the_clock() -> None:
    assert soon_s(1) == soon_s(10) == BEAT_SOON_S
    assert 500 / soon_s(500) == pytest.approx(BEATS_PER_S)
    assert soon_s(1_000_000) == HEARTBEAT_S


def test_a_report_grows_old_when_the_controller_says_nothing() -> None:
    fresh_s = BEAT_SOON_S + LOADS_SOON_S
    assert age_s(4, silent_s=0.0) == age_s(4, silent_s=HEARTBEAT_S) == fresh_s
    assert age_s(4, silent_s=60.0) == 60.0 - HEARTBEAT_S
