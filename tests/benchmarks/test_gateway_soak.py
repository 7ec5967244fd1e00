"""What very many requests do to memory: the arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.gateway.cases import SOAK_BATCH, soak_cases
from benchmarks.gateway.soak import Reading, Soaked, grown_bytes, soak_goals, soak_text

MB = 1_000_000


def readings(requests: int, resident: Callable[[int], float]) -> tuple[Reading, ...]:
    steps = range(0, requests + 1, SOAK_BATCH)
    return tuple(Reading(done, round(resident(done))) for done in steps)


def test_what_the_first_ten_thousand_requests_fill_is_no_growth() -> None:
    filling = readings(100_000, lambda done: 50 * MB + min(done, 9_000) * 1000)
    assert grown_bytes(filling) == 0


def test_twenty_bytes_lost_with_every_request_are_seen() -> None:
    leaking = readings(100_000, lambda done: 50 * MB + done * 20)
    grown, unanswered = soak_goals(Soaked(leaking, {}, 0))
    assert (grown.met, round(grown.figure, 2)) == (False, 1.64)
    assert unanswered.met


def test_an_allocator_that_breathes_is_flat() -> None:
    breathing = readings(100_000, lambda done: 50 * MB + (done // 1000 % 7 == 0) * 4 * MB)
    assert grown_bytes(breathing) == 0


def test_of_few_requests_the_first_half_is_not_counted() -> None:
    assert grown_bytes(readings(4000, lambda done: 50 * MB + min(done, 2000) * 500)) == 0
    assert grown_bytes(readings(4000, lambda done: 50 * MB + done * 500)) == MB


@pytest.mark.parametrize("requests", [1, 999, 1000, 1001, 100_000])
def test_a_soak_has_as_many_requests_as_were_asked_for(requests: int) -> None:
    cases = list(soak_cases(requests))
    assert sum(case.requests for case in cases) == requests
    assert all(0 < case.requests <= SOAK_BATCH for case in cases)


def test_whole_answers_and_streams_take_turns() -> None:
    assert [case.ask.stream for case in soak_cases(4000)] == [False, True, False, True]


def test_the_text_has_the_first_reading_and_the_last_and_what_went_wrong() -> None:
    soaked = Soaked(readings(100_000, lambda done: 50 * MB), {"status 500": 2}, 1)
    text = soak_text(soaked)
    assert "          0 requests    50.0 MB" in text
    assert "    100,000 requests    50.0 MB" in text
    assert "status 500: 2" in text
    assert "MISSED         3 of at most 0  requests that were not answered completely" in text
