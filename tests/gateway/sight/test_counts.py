from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.limits import FIRST_TOKEN_S, WHOLE_REQUEST_S
from server.gateway.sight.counts import (
    FIRST_BYTE_BOUNDS_S,
    MAX_ENDS,
    MAX_MODELS,
    OTHER,
    WHOLE_BOUNDS_S,
    Counts,
)
from server.gateway.sight.usage import Usage
from server.wire.sight import SeriesNumbers
from tests.fakes.clock import ManualClock
from tests.gateway.sight.seen import A, B, a_request, a_sight, refuse, serve


def only(numbers: tuple[SeriesNumbers, ...]) -> SeriesNumbers:
    (one,) = numbers
    return one


def test_a_request_is_in_flight_until_it_ends() -> None:
    sight = a_sight()
    record = a_request(sight)
    assert only(sight.numbers().series).in_flight == 1
    record.ended("complete", 200)
    sight.end(record)
    assert only(sight.numbers().series).in_flight == 0


def test_ending_twice_counts_once() -> None:
    sight = a_sight()
    record = serve(sight)
    sight.end(record)
    series = only(sight.numbers().series)
    assert (series.in_flight, [end.count for end in series.ended]) == (0, [1])


def test_a_request_that_nobody_said_the_end_of_is_cancelled() -> None:
    sight = a_sight()
    sight.end(a_request(sight))
    (end,) = only(sight.numbers().series).ended
    assert (end.outcome, end.status, end.count) == ("cancelled", 0, 1)


def test_each_model_and_lane_has_its_own_series() -> None:
    sight = a_sight()
    for model, lane in (("m", "batch"), ("m", "normal"), ("n", "normal"), ("m", "batch")):
        serve(sight, model=model, lane=lane)
    found = {(s.model, s.lane): s.ended[0].count for s in sight.numbers().series}
    assert found == {("m", "batch"): 2, ("m", "normal"): 1, ("n", "normal"): 1}


def test_clients_cannot_make_series() -> None:
    sight = a_sight()
    for name in ("x", "y", "", "m ", "\x00", "n" * 200):
        serve(sight, model=name)
    serve(sight, lane="no-such-lane")
    found = [(series.model, series.lane) for series in sight.numbers().series]
    assert found == [(OTHER, "normal"), ("m", OTHER)]


def test_a_model_that_comes_later_gets_its_series_then() -> None:
    models: list[str] = []
    counts = Counts(lambda: models)
    assert counts.of("late", "normal").model == OTHER
    models.append("late")
    assert counts.of("late", "normal").model == "late"
    models.clear()
    assert counts.of("late", "batch").model == "late", "its counts would begin anew"


def test_there_are_never_too_many_models() -> None:
    names = {f"model-{n}" for n in range(2 * MAX_MODELS)}
    counts = Counts(lambda: names)
    for name in names:
        counts.of(name, "normal")
    assert len(counts.numbers()) == MAX_MODELS


def test_there_are_never_too_many_ways_to_end() -> None:
    sight = a_sight()
    for number in range(2 * MAX_ENDS):
        record = a_request(sight)
        record.ended("http_error", 400, f"code-{number}")
        sight.end(record)
        refuse(sight, 400, f"code-{number}")
    numbers = sight.numbers()
    for ends in (only(numbers.series).ended, numbers.refused):
        assert len(ends) == MAX_ENDS + 1
        assert sum(end.count for end in ends) == 2 * MAX_ENDS
        assert (ends[-1].code, ends[-1].count) == (OTHER, MAX_ENDS)


def test_tokens_are_told_apart_by_who_counted_them() -> None:
    sight = a_sight()
    serve(sight, usage=Usage(10, 1, "reported"))
    serve(sight, usage=Usage(20, 2, "reported"))
    serve(sight, usage=Usage(40, 4, "estimated"))
    series = only(sight.numbers().series)
    assert series.prompt_tokens == {"reported": 30, "estimated": 40}
    assert series.completion_tokens == {"reported": 3, "estimated": 4}


def test_attempts_retries_and_failures_add_up() -> None:
    sight = a_sight()
    serve(sight)
    record = a_request(sight)
    record.chose(A)
    record.failed(A, "refused", "x")
    record.chose(B)
    record.failed(B, "lost", "x")
    record.chose(A)
    record.ended("complete", 200)
    sight.end(record)
    refused_by_limits = a_request(sight)
    refused_by_limits.ended("http_error", 429, "rate_limit")
    sight.end(refused_by_limits)
    series = only(sight.numbers().series)
    assert (series.attempts, series.retries) == (4, 2)
    assert series.failures == {"refused": 1, "lost": 1}


def test_only_streams_have_a_first_byte_and_only_whole_answers_a_duration() -> None:
    clock = ManualClock()
    sight = a_sight(clock)
    for stream, outcome in ((True, "error_event"), (False, "complete")):
        record = a_request(sight, stream=stream)
        clock.advance(0.3)
        record.first_byte()
        clock.advance(0.7)
        record.ended(outcome, 200)  # type: ignore[arg-type]
        sight.end(record)
    series = only(sight.numbers().series)
    assert (sum(series.first_byte.counts), sum(series.whole.counts)) == (1, 1)
    assert series.first_byte.sum_s == pytest.approx(0.3)
    assert series.whole.sum_s == pytest.approx(1.0)
    assert series.whole.counts[WHOLE_BOUNDS_S.index(1.0)] == 1


@pytest.mark.parametrize("bounds", [FIRST_BYTE_BOUNDS_S, WHOLE_BOUNDS_S])
def test_bounds_grow_and_reach_what_is_promised(bounds: tuple[float, ...]) -> None:
    assert all(low < high for low, high in pairwise(bounds))
    limit = FIRST_TOKEN_S if bounds is FIRST_BYTE_BOUNDS_S else WHOLE_REQUEST_S
    assert bounds[-1] == limit


@given(st.lists(st.floats(0, 1000), max_size=30))
def test_every_duration_is_in_the_first_bucket_that_holds_it(durations: list[float]) -> None:
    clock = ManualClock(at=0.0)
    sight = a_sight(clock)
    expected = [0] * (len(WHOLE_BOUNDS_S) + 1)
    for seconds in durations:
        clock.at = 0.0
        record = a_request(sight)
        clock.at = seconds
        record.ended("complete", 200)
        sight.end(record)
        expected[bisect_left(WHOLE_BOUNDS_S, seconds)] += 1
        assert all(
            seconds > bound for bound in WHOLE_BOUNDS_S[: bisect_left(WHOLE_BOUNDS_S, seconds)]
        )
    for series in sight.numbers().series:
        assert list(series.whole.counts) == expected
