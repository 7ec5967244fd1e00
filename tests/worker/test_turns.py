from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.wire.lanes import LANES, Lane
from server.worker.turns import OPENING_STEPS, Turns

Move = tuple[str, Lane | int, tuple[int, str]]
MOST = 5
"""Jobs at a time, in the law below."""
STEPS = {"interactive": 4, "normal": 2, "batch": 1}


@dataclass(eq=False)
class Job:
    lane: Lane = "normal"
    first_words: int = 0
    """Steps until something comes of it."""
    customer: str = ""
    due: float = 0.0
    cancelled: bool = False
    paused: bool = False
    steps: int = 0
    passed: int = 0
    """Steps of others since its last one."""

    @property
    def opening(self) -> bool:
        return self.steps < self.first_words


def joined(*jobs: Job) -> Turns[Job]:
    turns: Turns[Job] = Turns()
    for job in jobs:
        turns.join(job)
    return turns


def step(turns: Turns[Job]) -> Job:
    job = turns.next()
    assert job is not None
    job.steps += 1
    for other in turns.jobs:
        other.passed += 1
    job.passed = 0
    return job


def test_nobody_has_a_turn_where_nobody_is() -> None:
    assert joined().next() is None


def test_equals_take_turns() -> None:
    jobs = [Job(), Job(), Job()]
    turns = joined(*jobs)
    assert [step(turns) for _ in range(6)] == jobs * 2


def test_an_interactive_job_goes_four_times_as_fast_as_batch() -> None:
    turns = joined(*(Job(lane) for lane in LANES))
    counts = Counter(step(turns).lane for _ in range(700))
    assert counts == {"interactive": 400, "normal": 200, "batch": 100}


def test_a_lane_is_shared_by_customers_and_not_by_jobs() -> None:
    flood = [Job(customer="flood") for _ in range(3)]
    quiet = Job(customer="quiet")
    turns = joined(*flood, quiet)
    counts = Counter(step(turns).customer for _ in range(600))
    assert counts == {"flood": 300, "quiet": 300}
    assert {job.steps for job in flood} == {100}
    turns.leave(quiet)
    assert {step(turns) for _ in range(6)} == set(flood)


def test_customers_take_nothing_from_another_lane() -> None:
    crowd = [Job(customer="one"), Job(customer="one"), Job(customer="two"), Job("interactive")]
    turns = joined(*crowd)
    counts = Counter(step(turns).lane for _ in range(1000))
    assert counts["interactive"] == pytest.approx(400, abs=2)


def test_the_first_words_of_an_interactive_answer_come_next() -> None:
    crowd = [Job("interactive"), *(Job("batch") for _ in range(20)), *(Job() for _ in range(20))]
    turns = joined(*crowd)
    for _ in range(100):
        step(turns)
    new = Job("interactive", first_words=3)
    turns.join(new)
    assert [step(turns) for _ in range(3)] == [new] * 3


def test_no_more_than_three_first_words_in_a_row_while_others_wait() -> None:
    turns = joined(Job("interactive", first_words=10**6), Job("batch"))
    order = "".join(step(turns).lane[0] for _ in range(12))
    assert order == "iiib" * 3


def test_several_first_words_take_turns() -> None:
    jobs = [Job("interactive", first_words=9) for _ in range(2)]
    turns = joined(*jobs)
    assert [step(turns) for _ in range(4)] == jobs * 2


def test_many_short_jobs_in_a_row_do_not_hold_up_a_long_one() -> None:
    long = Job("batch")
    turns = joined(long)
    for _ in range(100):
        short = Job("interactive", first_words=1)
        turns.join(short)
        while short.steps < 2:
            step(turns)
        turns.leave(short)
    assert long.steps >= 100 // (OPENING_STEPS + 1)


def test_a_paused_job_is_passed_over_and_saves_nothing() -> None:
    paused, other = Job(paused=True), Job()
    turns = joined(paused, other)
    assert {step(turns) for _ in range(50)} == {other}
    paused.paused = False
    assert Counter(step(turns) is paused for _ in range(10))[True] <= 6


def test_when_all_are_paused_nobody_has_a_turn() -> None:
    assert joined(Job(paused=True)).next() is None


def test_a_cancelled_job_has_its_last_turn_at_once_even_when_paused() -> None:
    gone = Job("batch", paused=True, cancelled=True)
    turns = joined(Job("interactive", first_words=5), Job(), gone)
    assert turns.next() is gone


def test_who_has_left_has_no_turn() -> None:
    gone, stays = Job(), Job()
    turns = joined(gone, stays)
    turns.leave(gone)
    assert {step(turns) for _ in range(3)} == {stays}


SORTS = st.tuples(st.integers(0, 4), st.sampled_from(["one", "two", "three"]))
"""First words and customer."""
NONE = st.just((0, ""))
JOINS = st.tuples(st.just("join"), st.sampled_from(LANES), SORTS)
LEAVES = st.tuples(st.just("leave"), st.integers(0, MOST - 1), NONE)
STEPPED = st.tuples(st.just("step"), st.integers(1, 60), NONE)
CHURN = st.tuples(st.just("churn"), st.sampled_from(LANES), SORTS)
"""A hundred short jobs of one lane, one after another."""


def longest(job: Job) -> int:
    """So many steps of others may come between two of `job`.

    Its time is due after 1/weight, or 9/5 of that if it is one of three of a customer among five
    jobs. Meanwhile each of the others' places sees one step in every tenth at most (2/5 of a
    quarter, if it is alone beside four of one customer), one that was due before and one at the
    border; three first words beside each.
    """
    paced = (MOST - 1) * (18 // STEPS[job.lane] + 2) + 1
    return (OPENING_STEPS + 1) * paced


@settings(deadline=None)
@given(st.lists(st.one_of(JOINS, LEAVES, STEPPED, CHURN), min_size=10, max_size=40))
def test_whoever_comes_and_goes_nobody_starves(moves: list[Move]) -> None:
    turns = joined()
    for move, what, (first_words, customer) in moves:
        full = len(turns.jobs) == MOST
        if isinstance(what, str):
            for _ in range(100 if move == "churn" and not full else int(not full)):
                job = Job(what, first_words, customer)
                turns.join(job)
                if move == "churn":
                    step_fairly(turns, until=job)
                    turns.leave(job)
        elif move == "leave" and turns.jobs:
            turns.leave(turns.jobs[what % len(turns.jobs)])
        elif move == "step" and turns.jobs:
            for _ in range(what):
                step_fairly(turns)


def step_fairly(turns: Turns[Job], until: Job | None = None) -> None:
    """One step, or steps until that job has said its first words."""
    while True:
        step(turns)
        assert all(job.passed <= longest(job) for job in turns.jobs)
        if until is None or (until.steps and not until.opening):
            return
