from __future__ import annotations

import pytest

from server.core.limits import RETRY_AFTER_MAX_S, RETRY_AFTER_S
from server.worker.pace import Pace
from tests.fakes.clock import ManualClock


def served(*times_s: float) -> Pace:
    """After requests that took so long, one after another."""
    clock = ManualClock()
    pace = Pace(clock)
    for took_s in times_s:
        began = pace.begin()
        clock.advance(took_s)
        pace.end(began)
    return pace


def test_who_knows_nothing_yet_says_the_least() -> None:
    assert served().wait_s(30, 1) == RETRY_AFTER_S


@pytest.mark.parametrize(
    ("ahead", "slots", "wait_s"), [(0, 1, 4), (2, 1, 12), (2, 4, 3), (3, 4, 4), (31, 4, 32)]
)
def test_the_line_is_worked_off_by_all_slots(ahead: int, slots: int, wait_s: float) -> None:
    assert served(4.0, 4.0, 4.0).wait_s(ahead, slots) == wait_s


def test_part_of_a_second_is_a_second() -> None:
    assert served(1.1).wait_s(0, 1) == 2


def test_it_is_never_less_than_the_least_or_more_than_the_most() -> None:
    assert served(0.001).wait_s(0, 1) == RETRY_AFTER_S
    assert served(500.0).wait_s(31, 1) == RETRY_AFTER_MAX_S


def test_the_newest_times_count_most() -> None:
    pace = served(*[20.0] * 10, *[2.0] * 20)
    assert 2 <= pace.wait_s(0, 1) <= 3


def test_what_hangs_counts_by_its_age() -> None:
    clock = ManualClock()
    pace = Pace(clock)
    pace.begin()
    clock.advance(10)
    pace.begin()
    clock.advance(10)
    assert pace.wait_s(0, 1) == 15  # one runs for 20 s, the other for 10


def test_nothing_of_the_present_ones_is_left_when_they_have_gone() -> None:
    clock = ManualClock()
    pace = Pace(clock)
    begins = [pace.begin() for _ in range(7)]
    clock.advance(2)
    for began in begins:
        pace.end(began)
    clock.advance(10_000)
    assert pace.wait_s(0, 1) == 2
