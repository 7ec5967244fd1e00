from __future__ import annotations

import pytest

from server.launcher.running.restart import RestartPolicy
from tests.fakes.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def live(policy: RestartPolicy, clock: ManualClock, seconds: float) -> float | None:
    """Be ready for `seconds`, then end."""
    policy.ready()
    clock.advance(seconds)
    return policy.ended()


def test_pauses_double_from_half_a_second_to_thirty(clock: ManualClock) -> None:
    policy = RestartPolicy(clock)
    pauses = [live(policy, clock, 20) for _ in range(9)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_the_fifth_crash_within_a_minute_is_the_last(clock: ManualClock) -> None:
    policy = RestartPolicy(clock)
    assert [live(policy, clock, 15) for _ in range(5)] == [0.5, 1, 2, 4, None]


def test_five_crashes_in_more_than_a_minute_are_not_too_many(clock: ManualClock) -> None:
    policy = RestartPolicy(clock)
    assert [live(policy, clock, 15.1) for _ in range(5)][-1] is not None


def test_a_minute_of_health_makes_the_next_pause_short_again(clock: ManualClock) -> None:
    policy = RestartPolicy(clock)
    for _ in range(4):
        live(policy, clock, 1)
    assert live(policy, clock, 60) == 0.5


def test_less_than_a_minute_of_health_does_not(clock: ManualClock) -> None:
    policy = RestartPolicy(clock)
    for _ in range(3):
        live(policy, clock, 1)
    assert live(policy, clock, 59) == 4


def test_five_starts_in_vain_are_enough_however_long_they_take(clock: ManualClock) -> None:
    policy = RestartPolicy(clock)
    pauses = []
    for _ in range(5):
        clock.advance(300)
        pauses.append(policy.ended())
    assert pauses == [0.5, 1, 2, 4, None]


def test_a_start_that_succeeds_ends_the_row_of_those_in_vain(clock: ManualClock) -> None:
    policy = RestartPolicy(clock)
    for _ in range(4):
        clock.advance(300)
        policy.ended()
    assert live(policy, clock, 300) == 0.5
