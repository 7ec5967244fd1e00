"""From samples to figures and words."""

from __future__ import annotations

import pytest

from benchmarks.gateway.cases import PACED, STREAM, WHOLE, Case, make_plan
from benchmarks.gateway.goals import failures, goals
from benchmarks.gateway.measure import Sample
from benchmarks.gateway.messages import Ask, Tally
from benchmarks.gateway.report import cost_table, failure_lines, goal_lines, speed_table, table
from benchmarks.gateway.summary import compare, percentile

CROWD = Case(WHOLE, Ask(), clients=64, seconds=1)
ALONE = Case(STREAM, Ask(stream=True, events=10), clients=1, seconds=1)


def sample(
    way: str,
    case: Case,
    *,
    total_us: tuple[int, ...] = (1000,),
    seconds: float = 1.0,
    cpu_s: float = 0.0,
    errors: dict[str, int] | None = None,
) -> Sample:
    tally = Tally(
        seconds=seconds,
        requests=len(total_us),
        tokens=len(total_us) * case.ask.events if case.ask.stream else 0,
        total_us=total_us,
        first_us=tuple(us // 2 for us in total_us),
        errors=errors or {},
        stalls=0,
    )
    return Sample(way, case, tally, {"gateway": cpu_s} if way != "direct" else {})


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


def test_goals_are_judged_by_what_is_added_and_by_what_is_spent() -> None:
    samples = [
        sample("direct", ALONE),
        sample("ours", ALONE, total_us=(9000,)),
        sample("direct", CROWD),
        sample("ours", CROWD, cpu_s=0.0003),
    ]
    first, cpu, errors, stalls = goals(compare(samples))
    assert (first.met, round(first.figure, 3)) == (False, 4.0)
    assert (cpu.met, round(cpu.figure, 3)) == (True, 0.3)
    assert errors.met and stalls.met
    assert goal_lines([first]).startswith("MISSED")


def test_errors_are_named_with_their_way_and_case() -> None:
    broken = sample("ours", CROWD, errors={"status 500": 2})
    comparisons = compare([sample("direct", CROWD), broken])
    assert failures(comparisons) == 2
    assert failure_lines(comparisons) == "ours whole 64: status 500: 2"


def test_tables_have_a_row_for_each_comparison_and_even_columns() -> None:
    comparisons = compare([sample("direct", ALONE), sample("ours", ALONE)])
    for text in (speed_table(comparisons), cost_table(comparisons)):
        assert text.splitlines()[-1].startswith("ours stream")
    assert table([("a", "b"), ("long", "1")]) == "a     b\nlong  1"


def test_a_paced_case_is_bounded_by_whole_streams() -> None:
    paced = make_plan([1], 2.0, 1, quick=False).cases[-1]
    assert (paced.kind, paced.requests) == (PACED, 2 * 64)
