from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from server.web.http1.deadline import HEAD, IDLE, STALL, Deadline

LIMITS = {HEAD: 5.0, IDLE: 75.0, STALL: 30.0}


class Handle:
    def __init__(self, due: float, act: Callable[[], None]) -> None:
        self.due, self.act, self.cancelled = due, act, False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Its time passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Handle] = []

    def time(self) -> float:
        return self.now

    def call_at(self, due: float, act: Callable[[], None]) -> Handle:
        self.timers.append(Handle(due, act))
        return self.timers[-1]

    def pass_to(self, now: float) -> None:
        self.now = now
        due = [timer for timer in self.timers if timer.due <= now and not timer.cancelled]
        self.timers = [timer for timer in self.timers if timer not in due]
        for timer in due:
            timer.act()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def expired() -> list[str]:
    return []


@pytest.fixture
def deadline(loop: Loop, expired: list[str]) -> Deadline:
    return Deadline(cast(asyncio.AbstractEventLoop, cast(Any, loop)), LIMITS, expired.append)


def test_it_tells_what_took_too_long(loop: Loop, deadline: Deadline, expired: list[str]) -> None:
    deadline.set(HEAD)
    loop.pass_to(1004.9)
    assert expired == []
    loop.pass_to(1005.0)
    assert expired == [HEAD]


def test_saying_it_again_does_not_extend_it(
    loop: Loop, deadline: Deadline, expired: list[str]
) -> None:
    deadline.set(HEAD)
    loop.pass_to(1004.0)
    deadline.set(HEAD)
    loop.pass_to(1005.0)
    assert expired == [HEAD]


def test_a_later_deadline_costs_no_new_timer(
    loop: Loop, deadline: Deadline, expired: list[str]
) -> None:
    deadline.set(HEAD)
    for _ in range(100):
        deadline.what = None
        deadline.set(IDLE)
    assert len(loop.timers) == 1
    loop.pass_to(1005.0)
    assert expired == []
    loop.pass_to(1075.0)
    assert expired == [IDLE]


def test_an_earlier_deadline_is_kept(loop: Loop, deadline: Deadline, expired: list[str]) -> None:
    deadline.set(IDLE)
    deadline.set(HEAD)
    loop.pass_to(1005.0)
    assert expired == [HEAD]


def test_nothing_is_told_once_it_is_cleared_or_closed(
    loop: Loop, deadline: Deadline, expired: list[str]
) -> None:
    deadline.set(HEAD)
    deadline.what = None
    loop.pass_to(1100.0)
    deadline.set(STALL)
    deadline.close()
    loop.pass_to(1200.0)
    assert expired == []
    assert not [timer for timer in loop.timers if not timer.cancelled]


def test_it_can_be_set_again_after_it_was_told(
    loop: Loop, deadline: Deadline, expired: list[str]
) -> None:
    deadline.set(HEAD)
    loop.pass_to(1005.0)
    deadline.set(HEAD)
    loop.pass_to(1010.0)
    assert expired == [HEAD, HEAD]
