"""The simulator of dispatch: theory, the knowledge of a gateway, the peers' ways."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from math import exp, factorial, inf
from statistics import fmean, median
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.dispatch.affinity import Ask, measure_kept
from benchmarks.dispatch.beats import HOP_S, Beats, SoonBeats
from benchmarks.dispatch.gateways import Gateways
from benchmarks.dispatch.measure import Case, Task, measure, requests_of, summarise
from benchmarks.dispatch.peers import FASTCHAT_BEAT_S, AtRandom, FastChat, Ideal
from benchmarks.dispatch.simulation import Dispatcher, Served, Simulation
from benchmarks.dispatch.traffic import SPREAD, Sizes, arrivals, draw_sizes
from benchmarks.dispatch.ways import Kind, Way, always, build
from server.core.dispatch import Candidate, Policy, age_s, shortest_queue, soon_s
from server.core.limits import HEARTBEAT_S, LOADS_S, LOADS_SOON_S

SMALL = Case(workers=20, slots=8, load=0.8, mean_s=2.0, requests=12_000)
REPORTED_S = HEARTBEAT_S + LOADS_S
"""A report by the clock is never older."""


@pytest.fixture(autouse=True)
def _same_dice() -> Iterator[None]:
    state = random.getstate()
    random.seed(11)
    yield
    random.setstate(state)


def served(dispatcher: Dispatcher, workers: int, slots: int, *, load: float) -> Served:
    """Exponential sizes of 1 s on average."""
    traffic = random.Random(5)
    sizes = draw_sizes("exponential", 1.0, traffic)
    requests = arrivals(150_000, load * workers * slots, sizes, traffic)
    return Simulation(workers, slots, dispatcher).run(requests)


def waiting_probability(slots: int, offered: float) -> float:
    """Erlang's C formula; `offered`: arrivals in a mean time of service."""
    last = offered**slots / factorial(slots) * slots / (slots - offered)
    return last / (sum(offered**n / factorial(n) for n in range(slots)) + last)


# theory ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 10])
def test_a_worker_with_one_slot_is_an_m_m_1_queue(workers: int) -> None:
    found = served(AtRandom(workers), workers, 1, load=0.6)
    times_s = [w + size for w, size in zip(found.waited_s, found.sizes_s, strict=True)]
    assert fmean(times_s) == pytest.approx(1 / (1 - 0.6), rel=0.03)
    assert fmean(w > 0 for w in found.waited_s) == pytest.approx(0.6, rel=0.02)
    assert median(times_s) == pytest.approx(0.693 / (1 - 0.6), rel=0.04), "exponential as well"


@pytest.mark.parametrize(("slots", "load"), [(2, 0.7), (8, 0.8)])
def test_a_worker_with_many_slots_waits_as_erlang_says(slots: int, load: float) -> None:
    found = served(AtRandom(1), 1, slots, load=load)
    waiting = waiting_probability(slots, load * slots)
    assert fmean(w > 0 for w in found.waited_s) == pytest.approx(waiting, rel=0.05)
    assert fmean(found.waited_s) == pytest.approx(waiting / (slots * (1 - load)), rel=0.08)


def test_a_line_is_first_come_first_served() -> None:
    requests = [(0.0, 10.0), (1.0, 3.0), (2.0, 1.0), (20.0, 5.0)]
    found = Simulation(1, 1, AtRandom(1)).run(requests)
    assert list(found.sizes_s) == [10.0, 3.0, 1.0, 5.0]
    assert list(found.waited_s) == [0.0, 9.0, 11.0, 0.0]


@pytest.mark.parametrize("sizes", get_args(Sizes))
def test_sizes_have_the_mean_that_is_asked_for(sizes: Sizes) -> None:
    draw = draw_sizes(sizes, 3.0, random.Random(2))
    drawn = [draw() for _ in range(200_000)]
    assert fmean(drawn) == pytest.approx(3.0, rel=0.04)
    shortest = min(drawn)
    if sizes == "pareto":
        assert max(drawn) <= 1000 * shortest
        assert fmean(size > 10 * shortest for size in drawn) == pytest.approx(10**-1.5, rel=0.05)
    if sizes == "lognormal":
        assert median(drawn) == pytest.approx(3.0 * exp(-(SPREAD**2) / 2), rel=0.03)


# what a gateway knows ----------------------------------------------------------------------------


def test_a_worker_beats_once_a_period_at_a_moment_of_its_own() -> None:
    beats = Beats(5, 2.0)
    heard: list[tuple[float, int]] = []
    for _ in range(15):
        heard.append((beats.due_s, beats.worker))
        beats.step()
    assert heard == sorted(heard)
    assert all(sum(w == worker for _, w in heard) == 3 for worker in range(5))
    (first_s, first), (again_s, again) = heard[0], heard[5]
    assert again == first
    assert again_s - first_s == pytest.approx(2.0)


def test_a_worker_beats_soon_after_a_change_and_not_too_often() -> None:
    beats = SoonBeats(3)
    assert beats.due_s == inf
    beats.change(1, 10.0)
    beats.change(1, 10.001)
    assert (beats.due_s, beats.worker) == (10.0 + HOP_S, 1)
    beats.step()
    assert beats.due_s == inf, "two changes, one beat"
    beats.change(1, 10.02)
    beats.change(2, 10.03)
    assert (beats.due_s, beats.worker) == (10.03 + HOP_S, 2)
    beats.step()
    assert (beats.due_s, beats.worker) == (10.0 + HOP_S + soon_s(3), 1)


def test_gateways_hear_of_a_request_soon_and_of_all_others_at_a_time() -> None:
    gateways = Gateways(2, 3, 1, always(shortest_queue))
    worker = gateways.send(0, 10.0)
    heard: list[float] = []
    while gateways.due_s < inf:
        heard.append(gateways.due_s)
        gateways.hear()
    assert heard == [pytest.approx(10.0 + HOP_S), pytest.approx(10.0 + 2 * HOP_S)]
    gateways.done(worker, 0, 10.02)
    while gateways.due_s < inf:
        heard.append(gateways.due_s)
        gateways.hear()
    assert heard[-1] == pytest.approx(heard[1] + LOADS_SOON_S, abs=2 * HOP_S)


def test_a_gateway_reckons_with_as_many_unseen_requests_as_it_sends_itself() -> None:
    seen: list[float] = []

    def choice(unseen: float) -> Policy:
        seen.append(unseen)
        return shortest_queue

    gateways = Gateways(5, 3, 1, choice)
    for number in range(400):
        gateways.send(0, number / 20)
    assert seen[0] == 0.0
    assert seen[-1] == pytest.approx(4 * 20 * age_s(3, silent_s=0.0), rel=0.05)


def test_a_gateway_knows_its_own_requests_at_once_and_those_of_others_from_reports() -> None:
    seen: list[list[tuple[int, int]]] = []

    def second(found: Sequence[Candidate]) -> Candidate:
        seen.append([(c.mine, c.others) for c in found])
        return found[1]

    gateways = Gateways(2, 3, 1, always(second), reports="clock")
    gateways.send(0, 0.0)
    gateways.send(0, 0.0)
    gateways.send(1, 0.0)
    assert seen == [[(0, 0)] * 3, [(0, 0), (1, 0), (0, 0)], [(0, 0)] * 3]
    while gateways.due_s <= REPORTED_S:
        gateways.hear()
    gateways.send(0, REPORTED_S)
    gateways.send(1, REPORTED_S)
    assert seen[-2:] == [[(0, 0), (2, 1), (0, 0)], [(0, 0), (1, 2), (0, 0)]]
    gateways.done(1, 0, REPORTED_S)
    gateways.send(1, REPORTED_S)
    assert seen[-1] == [(0, 0), (2, 2), (0, 0)], "nobody has told it yet"


def test_without_reports_nothing_is_ever_heard() -> None:
    gateways = Gateways(4, 3, 1, always(shortest_queue), reports="none")
    gateways.send(0, 1.0)
    assert gateways.due_s == inf


@pytest.mark.parametrize("alone", [True, False])
@given(st.lists(st.booleans(), max_size=120), st.integers())
def test_the_ideal_and_one_gateway_never_pass_by_a_shorter_queue(
    alone: bool, comings: list[bool], seed: int
) -> None:
    random.seed(seed)
    dispatcher = Gateways(1, 5, 2, always(shortest_queue)) if alone else Ideal(5)
    lengths = [0] * 5
    for comes in comings:
        if comes:
            worker = dispatcher.send(0, 0.0)
            assert lengths[worker] == min(lengths)
            lengths[worker] += 1
        elif any(lengths):
            worker = random.choice([w for w in range(5) if lengths[w]])
            dispatcher.done(worker, 0, 0.0)
            lengths[worker] -= 1


# the others --------------------------------------------------------------------------------------


def test_fastchat_counts_what_it_hands_out_and_never_what_has_ended() -> None:
    fastchat = FastChat(3)
    sent = [fastchat.send(0, 0.0) for _ in range(4)]
    assert sent == [0, 1, 2, 0]
    fastchat.done(0, 0, 0.0)
    fastchat.done(0, 0, 0.0)
    assert [fastchat.send(0, 0.0) for _ in range(2)] == [1, 2]


def test_a_heartbeat_makes_fastchat_send_everything_to_the_worker_that_is_idle() -> None:
    fastchat = FastChat(3)
    for _ in range(15):
        fastchat.done(fastchat.send(0, 0.0), 0, 0.0)
    assert fastchat.due_s <= FASTCHAT_BEAT_S
    idle = fastchat._beats.worker
    fastchat.hear()
    assert [fastchat.send(0, 0.0) for _ in range(5)] == [idle] * 5
    assert {fastchat.send(0, 0.0) for _ in range(3)} == {0, 1, 2}


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_way_serves_every_request(kind: Kind) -> None:
    case = Case(workers=6, slots=2, load=0.7, mean_s=1.0, requests=500)
    found = build(Way(kind, gateways=3), case.workers, case.slots).run(requests_of(case))
    assert sorted(found.sizes_s) == sorted(size for _, size in requests_of(case))
    assert min(found.waited_s) == 0.0


def test_the_first_requests_find_empty_workers_and_are_not_counted() -> None:
    found = Served()
    found.waited_s.extend([9.0] * 10 + [0.0] * 85 + [2.0] * 5)
    found.sizes_s.extend([1.0] * 100)
    figures = summarise(found)
    assert (figures.p50, figures.p99, round(figures.waited, 3)) == (1.0, 3.0, 0.056)


def test_one_gateway_is_ideal_several_come_close_and_guesses_are_far_away() -> None:
    ways = [
        Way("ideal"),
        Way("ours"),
        Way("ours", 16),
        Way("shortest", 16),
        Way("FastChat"),
    ]
    ideal, one, many, herd, fastchat = (measure(Task(way, SMALL)).figures.p99 for way in ways)
    assert one == pytest.approx(ideal, rel=0.02)
    assert many < 1.5
    assert herd > 1.5 * many
    assert fastchat > 5 * many


def test_where_a_worker_serves_one_at_a_time_several_gateways_still_find_the_idle_ones() -> None:
    case = Case(workers=100, slots=1, load=0.8, mean_s=2.0, requests=12_000)
    many = measure(Task(Way("ours", 16), case)).figures.p99
    by_the_clock = measure(Task(Way("clock", 16), case)).figures.p99
    assert many < 4.5
    assert by_the_clock > 3 * many


def test_old_reports_are_no_worse_than_none() -> None:
    old, none = (
        measure(Task(Way(kind, 16), SMALL)).figures.p99 for kind in ("clock", "own counts")
    )
    assert old < 1.2 * none


def test_keys_stay_at_their_worker_and_nobody_waits_for_that() -> None:
    case = Case(workers=10, slots=8, load=0.8, mean_s=2.0, requests=4_000)
    none = measure_kept(Ask(case, 1, "sessions", "none"))
    bounded = measure_kept(Ask(case, 1, "sessions", "bounded"))
    always = measure_kept(Ask(case, 1, "prefixes", "always"))
    assert none.at_home < 0.2
    assert bounded.at_home > 0.6
    assert bounded.figures.p99 == pytest.approx(none.figures.p99, rel=0.1)
    assert always.at_home == 1.0
    assert always.figures.p99 > 10 * bounded.figures.p99
