"""The circuit breaker of one worker."""

from __future__ import annotations

import logging
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.limits import BREAKER_REST_MAX_S
from server.gateway.breaker import OPENS_AFTER, Breaker, Trouble

TROUBLES: tuple[Trouble, ...] = get_args(Trouble)


def opened(trouble: Trouble = "lost", now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(OPENS_AFTER[trouble]):
        breaker.fail(trouble, now, probe=breaker.begin())
    return breaker


@pytest.mark.parametrize("trouble", TROUBLES)
def test_it_opens_after_enough_troubles_of_one_kind(trouble: Trouble) -> None:
    breaker = Breaker()
    for _ in range(OPENS_AFTER[trouble] - 1):
        breaker.fail(trouble, 0.0, probe=False)
    assert breaker.lets(0.5)
    breaker.fail(trouble, 0.0, probe=False)
    assert breaker.state(0.5) == "open"
    assert not breaker.lets(0.5)


def test_troubles_of_different_kinds_are_not_added() -> None:
    breaker = Breaker()
    for trouble in ("lost", "failed", "lost", "failed", "late", "denied"):
        breaker.fail(trouble, 0.0, probe=False)
    assert breaker.state(0.5) == "closed"


def test_old_troubles_are_forgotten() -> None:
    breaker = Breaker()
    for _ in range(50):
        breaker.fail("failed", 0.0, probe=False)
        for _ in range(2):
            breaker.succeed(probe=False)
    assert breaker.state(0.5) == "closed"


def test_after_its_rest_one_request_may_try() -> None:
    breaker = opened()
    assert breaker.rests_for(0.25) == 0.75
    assert not breaker.lets(0.99)
    assert breaker.lets(1.0)
    assert breaker.begin()
    assert breaker.state(1.0) == "half_open"
    assert not breaker.lets(1.0)


def test_it_is_half_open_once_its_rest_is_over_whether_anybody_asks_or_not() -> None:
    breaker = opened()
    assert [breaker.state(now) for now in (0.0, 0.99, 1.0, 1000.0)] == [
        "open", "open", "half_open", "half_open",
    ]  # fmt: skip
    assert breaker.lets(1000.0)


def test_the_log_hears_once_of_its_opening_and_once_of_its_closing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    breaker = Breaker({"worker": "w@host", "model": "m"})
    for _ in range(OPENS_AFTER["late"] + 2):
        breaker.fail("late", 0.0, probe=False)
    breaker.fail("lost", 1.0, probe=breaker.begin())
    for _ in range(2):
        breaker.succeed(probe=breaker.begin())
    told = [
        (line.levelname, line.message, *(line.__dict__[x] for x in ("worker", "model", "trouble")))
        for line in caplog.records
    ]
    assert told == [
        ("WARNING", "circuit breaker opened", "w@host", "m", "late"),
        ("INFO", "circuit breaker closed", "w@host", "m", "lost"),
    ]


def test_a_probe_that_is_served_closes_it() -> None:
    breaker = opened()
    breaker.succeed(probe=breaker.begin())
    assert breaker.state(0.5) == "closed"
    breaker.fail("lost", 2.0, probe=breaker.begin())
    assert breaker.lets(2.0)


def test_a_probe_that_fails_doubles_the_rest_up_to_a_limit() -> None:
    breaker = opened()
    now, rests = 1.0, []
    for _ in range(6):
        breaker.fail("lost", now, probe=breaker.begin())
        rests.append(breaker.rests_for(now))
        now += rests[-1]
    assert rests == [2.0, 4.0, 8.0, 8.0, 8.0, 8.0]
    assert rests[-1] == BREAKER_REST_MAX_S


def test_a_probe_whose_client_left_lets_the_next_one_try() -> None:
    breaker = opened()
    breaker.begin()
    breaker.give_up()
    assert breaker.state(0.5) == "open"
    assert breaker.lets(1.0)


def test_what_was_sent_before_it_opened_does_not_close_it() -> None:
    breaker = opened()
    breaker.succeed(probe=False)
    assert breaker.state(0.5) == "open"


@given(st.lists(st.sampled_from(["take", "serve", *TROUBLES, "leave", "wait"]), max_size=200))
def test_there_is_one_probe_at_most_and_it_always_heals(moves: list[str]) -> None:
    breaker, now = Breaker(), 0.0
    probes: list[bool] = []
    for move in moves:
        if move == "wait":
            now += 0.7
        elif move == "take" and breaker.lets(now):
            probes.append(breaker.begin())
        elif move != "take" and probes:
            end(breaker, move, now, probe=probes.pop(0))
        assert sum(probes) <= 1
        assert not any(probes) or breaker.state(now) == "half_open"
        assert breaker.lets(now) == (breaker.state(now) != "open" and not any(probes))
    for probe in probes:
        breaker.succeed(probe=probe)
    now += BREAKER_REST_MAX_S
    assert breaker.lets(now)
    breaker.succeed(probe=breaker.begin())
    assert breaker.state(0.5) == "closed"


def end(breaker: Breaker, how: str, now: float, *, probe: bool) -> None:
    trouble = next((trouble for trouble in TROUBLES if trouble == how), None)
    if trouble is not None:
        breaker.fail(trouble, now, probe=probe)
    elif how == "serve":
        breaker.succeed(probe=probe)
    elif probe:
        breaker.give_up()
