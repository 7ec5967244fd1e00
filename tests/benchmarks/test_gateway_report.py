"""From samples to figures and words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from benchmarks.gateway.beside import beside
from benchmarks.gateway.cases import PACED, STREAM, WHOLE, Case, make_plan
from benchmarks.gateway.goals import Goal, failures, goals, stalls
from benchmarks.gateway.measure import Measured, Sample, turns
from benchmarks.gateway.messages import Ask, Tally
from benchmarks.gateway.report import (
    beside_table,
    cost_table,
    failure_lines,
    goal_lines,
    left_out_lines,
    process_lines,
    speed_table,
    table,
)
from benchmarks.gateway.results import Results, results
from benchmarks.gateway.summary import compare, percentile
from benchmarks.gateway.ways import DIRECT, ONLINE, SHORTLINE, Limits, Way

CROWD = Case(WHOLE, Ask(), clients=64, seconds=1)
ALONE = Case(STREAM, Ask(stream=True, events=10), clients=1, seconds=1)
BURSTS = replace(ALONE, clients=64)
DRIPS = replace(BURSTS, kind=PACED)


def sample(
    way: str,
    case: Case,
    *,
    total_us: tuple[int, ...] = (1000,),
    seconds: float = 1.0,
    cpu_s: float = 0.0,
    role: str = "gateway",
    errors: dict[str, int] | None = None,
    stalls: int = 0,
) -> Sample:
    tally = Tally(
        seconds=seconds,
        requests=len(total_us),
        tokens=len(total_us) * case.ask.events if case.ask.stream else 0,
        total_us=total_us,
        first_us=tuple(us // 2 for us in total_us),
        errors=errors or {},
        stalls=stalls,
    )
    return Sample(way, case, tally, {role: cpu_s} if way != DIRECT else {})


def ran(
    samples: Iterable[Sample],
    *,
    resident: dict[str, int] | None = None,
    ready_s: dict[str, float] | None = None,
) -> Results:
    return results(Measured(tuple(samples), {}, resident or {}, ready_s or {}), {})


def found(goals: list[Goal], words: str) -> Goal:
    """The one goal that says these words."""
    [goal] = [goal for goal in goals if words in goal.words]
    return goal


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, 0.0), ([7.0], 0.99, 7.0), ([1, 2, 3, 4], 0.5, 2), (list(range(1, 101)), 0.99, 99)],
)
def test_a_percentile_is_one_of_the_values(
    values: list[float], share: float, expected: float
) -> None:
    assert percentile(values, share) == expected


def test_the_ratio_is_the_median_of_the_rounds_so_one_noisy_round_changes_nothing() -> None:
    rounds = [(1.0, 2.0), (1.0, 2.0), (1.0, 90.0)]
    samples = [
        sample(way, CROWD, seconds=seconds)
        for direct_s, through_s in rounds
        for way, seconds in (("direct", direct_s), ("ours", through_s))
    ]
    (one,) = compare(samples)
    assert one.ratio == 0.5


def test_processor_time_is_shared_out_over_requests_and_tokens() -> None:
    samples = [
        sample("direct", ALONE),
        sample("ours", ALONE, total_us=(2000, 2000), cpu_s=0.001),
    ]
    (one,) = compare(samples)
    assert one.through.cpu_ms_per_request["gateway"] == pytest.approx(0.5)
    assert one.through.cpu_us_per_token["gateway"] == pytest.approx(50)
    assert one.through.tokens_per_s == 20


def test_our_goals_are_judged_by_what_is_added_and_by_what_is_spent() -> None:
    samples = [
        sample(DIRECT, ALONE),
        sample(SHORTLINE, ALONE, total_us=(9000,)),
        sample(DIRECT, CROWD),
        sample(SHORTLINE, CROWD, cpu_s=0.00009),
        sample(DIRECT, BURSTS),
        sample(SHORTLINE, BURSTS, cpu_s=0.00007),
        sample(DIRECT, DRIPS),
        sample(SHORTLINE, DRIPS, total_us=(2000, 9000)),
    ]
    memory, times = {"shortline gateway": 61_000_000}, {SHORTLINE: 1.2}
    judged = goals(ran(samples, resident=memory, ready_s=times))
    for words, met, figure in (
        ("first token at one client, p50, ms", False, 4.0),
        ("gateway per non-streaming request, 64 clients, ms", True, 0.09),
        ("gateway per token in bursts, 64 clients, µs", False, 7.0),
        ("first token at 64 paced streams, p99, ms", True, 4.0),
        ("report that it is ready, s", True, 1.2),
        ("resident memory, MB", False, 61.0),
        ("errors", True, 0),
        ("stalls", True, 0),
    ):
        goal = found(judged, words)
        assert (goal.met, round(goal.figure, 6)) == (met, figure), words
    assert len(judged) == 8


def test_the_online_workers_hop_has_its_own_goals_and_the_gateways_are_not_asked_twice() -> None:
    samples = [
        sample(DIRECT, CROWD),
        sample(SHORTLINE, CROWD, cpu_s=0.00009),
        sample(ONLINE, CROWD, cpu_s=0.00012, role="worker"),
    ]
    judged = goals(ran(samples))
    assert found(judged, "CPU of the gateway").met
    assert found(judged, "CPU of the worker").figure == pytest.approx(0.12)


def test_goals_that_concern_a_peer_appear_only_with_it() -> None:
    alone = goals(ran([sample(DIRECT, CROWD), sample(SHORTLINE, CROWD)]))
    assert not [goal for goal in alone if "router" in goal.words or "litellm" in goal.words]
    peers = ["vllm-router", "sglang-router", "litellm", "fastchat"]
    crowd = [sample(way, CROWD, cpu_s=0.001) for way in (DIRECT, SHORTLINE, *peers)]
    beside_them = {goal.words for goal in goals(ran(crowd))} - {goal.words for goal in alone}
    assert beside_them == {
        "requests/s for one of vllm-router's, 64 clients",
        "times fastchat's requests/s, or its CPU, 64 clients",
        "times litellm's requests/s, or its CPU, 64 clients",
    }


def test_a_router_is_matched_in_requests_and_in_the_cost_of_a_paced_token() -> None:
    samples = [
        sample(DIRECT, CROWD),
        sample(SHORTLINE, CROWD, total_us=(1000,) * 3),
        sample("vllm-router", CROWD, total_us=(1000,) * 4),
        sample(DIRECT, DRIPS),
        sample(SHORTLINE, DRIPS, cpu_s=0.0004),
        sample("vllm-router", DRIPS, cpu_s=0.0005),
    ]
    judged = goals(ran(samples))
    speed = found(judged, "requests/s for one of vllm-router's, 64 clients")
    assert (speed.met, speed.figure, speed.bound) == (False, 0.75, "at least 1")
    cost = found(judged, "CPU per paced token")
    assert (cost.met, round(cost.figure, 6), cost.bound) == (True, 0.8, "at most 1")


def test_a_python_peer_is_surpassed_in_requests_or_in_cost() -> None:
    def times(requests: int, cpu_s: float) -> Goal:
        ours = sample(SHORTLINE, CROWD, total_us=(1000,) * requests, cpu_s=0.0001 * requests)
        theirs = sample("fastchat", CROWD, cpu_s=cpu_s)
        return found(goals(ran([sample(DIRECT, CROWD), ours, theirs])), "fastchat")

    assert times(30, 0.0001).figure == 30
    assert times(2, 0.0030).figure == pytest.approx(30)
    assert not times(2, 0.0024).met


def test_beside_a_peer_the_rounds_own_ratios_count() -> None:
    rounds = [(1.0, 2.0), (1.0, 2.0), (1.0, 90.0)]
    samples = [
        sample(way, CROWD, seconds=seconds, cpu_s=seconds / 1000)
        for ours_s, theirs_s in rounds
        for way, seconds in ((DIRECT, 1.0), (SHORTLINE, ours_s), ("peer", theirs_s))
    ]
    [one] = beside(samples)
    assert (one.peer, one.rate, one.cpu) == ("peer", 2.0, 0.5)
    assert beside_table([one]).splitlines()[-1].split() == ["whole", "64", "peer", "2.00", "0.500"]


def test_a_slow_way_is_left_out_of_larger_crowds() -> None:
    plan = make_plan([1, 64, 256], 1.0, 2, quick=True)
    slow = Way("slow", "", limits=Limits(most_clients=64))
    asked = [(way.name, case.clients) for case, way in turns(plan, [Way(DIRECT, ""), slow])]
    assert max(clients for name, clients in asked if name == "slow") == 64
    assert asked.count((DIRECT, 256)) == 4
    assert asked.count(("slow", 64)) == asked.count((DIRECT, 64)) == 6


def test_a_way_that_was_left_out_of_a_case_is_not_compared_there() -> None:
    crowd = replace(CROWD, clients=256)
    samples = [sample(DIRECT, CROWD), sample("slow", CROWD), sample(DIRECT, crowd)]
    assert [(one.way, one.case.clients) for one in compare(samples)] == [("slow", 64)]


def test_errors_are_named_with_their_way_and_case() -> None:
    broken = sample(SHORTLINE, CROWD, errors={"status 500": 2})
    cut = sample(DIRECT, CROWD, errors={"connection lost": 1})
    comparisons = compare([cut, broken, sample(ONLINE, CROWD, stalls=3)])
    assert (failures(comparisons), stalls(comparisons)) == (3, 3)
    assert failure_lines(comparisons).splitlines() == [
        "whole   64  shortline: status 500: 2",
        "whole   64  shortline online: stalled: 3",
        "whole   64  direct: connection lost: 1",
    ]


def test_a_peers_errors_are_told_and_are_none_of_ours() -> None:
    broken = sample("litellm", CROWD, errors={"status 500": 2}, stalls=1)
    comparisons = compare([sample(DIRECT, CROWD), broken])
    assert (failures(comparisons), stalls(comparisons)) == (0, 0)
    assert "litellm: status 500: 2" in failure_lines(comparisons)


def test_tables_have_a_row_for_each_way_and_even_columns() -> None:
    samples = [sample(DIRECT, ALONE), sample("a", ALONE, cpu_s=0.001), sample("b", ALONE)]
    comparisons = compare(samples)
    speed, cost = (
        text.splitlines() for text in (speed_table(comparisons), cost_table(comparisons))
    )
    assert [line.split()[2] for line in speed[2:]] == ["direct", "a", "b"]
    assert [line.split()[2] for line in cost[2:]] == ["a", "b"]
    assert cost[2].split()[-4:] == ["1.000", "100.0", "gateway", "100.0"]
    assert table([("a", "b"), ("long", "1")]) == "a     b\nlong  1"


def test_processes_are_told_in_megabytes_and_seconds() -> None:
    measured = Measured((), {"a gateway": 50_000_000}, {"a gateway": 51_500_000}, {"a": 0.456})
    assert process_lines(results(measured, {})).splitlines() == [
        "a gateway: 50.0 MB resident before, 51.5 after",
        "a: ready after 0.46 s",
    ]


def test_what_was_left_out_is_said() -> None:
    assert left_out_lines({"litellm": "did not start: x"}) == "left out: litellm did not start: x"


@pytest.mark.parametrize(
    ("goal", "line"),
    [
        (Goal("most", 2, 1), "MISSED         2 of at most 1  most"),
        (Goal("most", 1, 1), "met            1 of at most 1  most"),
        (Goal("least", 0.5, least=1), "MISSED       0.5 of at least 1  least"),
        (Goal("least", 1, least=1), "met            1 of at least 1  least"),
    ],
)
def test_a_goal_says_what_was_wanted(goal: Goal, line: str) -> None:
    assert goal_lines([goal]) == line


def test_a_paced_case_is_bounded_by_whole_streams() -> None:
    paced = make_plan([1], 2.0, 1, quick=False).cases[-1]
    assert (paced.kind, paced.requests) == (PACED, 2 * 64)
