from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from server.core.errors import UpstreamTimeout
from server.web.drain import Drain
from server.web.patience import Patience
from server.web.rounds import EVERY_S, Rounds


class Loop:
    """Time passes when a timer is fired by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.due: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay_s: float, call: Callable[..., None], *args: Any) -> object:
        self.due.append((delay_s, call, args))
        return object()

    def fire(self) -> None:
        delay_s, call, args = self.due.pop()
        self.now += delay_s
        call(*args)


class One:
    def __init__(self) -> None:
        self.looked: list[float] = []
        self.cuts = 0

    def look(self, now: float) -> None:
        self.looked.append(now)

    def cut(self) -> None:
        self.cuts += 1


def test_one_timer_looks_after_all_and_rests_when_nobody_waits() -> None:
    loop, rounds, first, second = Loop(), Rounds(), One(), One()
    for one in (first, second):
        rounds.join(one, cast(asyncio.AbstractEventLoop, loop))
    assert len(loop.due) == 1
    loop.fire()
    rounds.waiting.discard(first)
    loop.fire()
    assert first.looked == [100.0 + EVERY_S]
    assert len(second.looked) == 2
    rounds.waiting.discard(second)
    loop.fire()
    assert not loop.due
    rounds.join(first, cast(asyncio.AbstractEventLoop, loop))
    assert len(loop.due) == 1


def test_all_are_cut_at_once() -> None:
    rounds, ones = Rounds(), [One(), One()]
    for one in ones:
        rounds.join(one, cast(asyncio.AbstractEventLoop, Loop()))
    rounds.cut()
    assert [one.cuts for one in ones] == [1, 1]


async def test_a_long_wait_ends_in_the_round_after_its_time() -> None:
    loop = asyncio.get_running_loop()
    limit = Patience(_never, Drain(), 600)
    with pytest.raises(UpstreamTimeout):
        with limit:
            limit.allow(30)
            limit.look(loop.time() + 29)
            await asyncio.sleep(0)
            limit.allow_again()
            limit.look(loop.time() + 31)
            await asyncio.Event().wait()


async def _never() -> dict[str, object]:
    await asyncio.Event().wait()
    return {}
