"""The rounds: idle, without lanes and with them in turns; then the flood."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from benchmarks.lanes.asks import Asker, Body, Seen
from benchmarks.lanes.crowd import crowd
from benchmarks.lanes.results import Rate, Results
from server.wire.lanes import Lane

CROWD = 8
"""More than there are slots, so that some of it always waits."""
FLOOD = 6
"""Interactive clients, the same."""
_NO_END = {str(token): -100 for token in range(16)}

QUESTION: Final[Body] = {
    "messages": [{"role": "user", "content": "What is Shortline, and what is a slot?"}],
    "max_tokens": 24,
    "temperature": 0,
    "logit_bias": _NO_END,
}
WORK: Final[Body] = {
    "messages": [{"role": "user", "content": "Sum this up: " + "a slot is a place, " * 60}],
    "max_tokens": 64,
    "temperature": 0,
    "logit_bias": _NO_END,
}


@dataclass(frozen=True, slots=True)
class Plan:
    rounds: int
    asks: int
    """Of each kind in each round,"""
    slow_asks: int
    """but of those without lanes: they wait for seconds."""
    alone_s: float
    """How long the crowd is measured by itself."""
    flood_s: float
    """0: not at all."""


FULL = Plan(rounds=3, asks=30, slow_asks=2, alone_s=1.5, flood_s=18.0)
QUICK = Plan(rounds=1, asks=20, slow_asks=1, alone_s=0.5, flood_s=0.0)


class Rounds:
    def __init__(self, asker: Asker, plan: Plan) -> None:
        self._asker = asker
        self._plan = plan
        self._idle, self._without, self._beside = Seen(), Seen(), Seen()
        self._others: list[Seen] = []
        self._alone = Rate(0, 0.0)
        self._shared = Rate(0, 0.0)

    async def run(self) -> Results:
        await self._warm()
        for _ in range(self._plan.rounds):
            await self._ask("interactive", self._idle, self._plan.asks)
            await self._without_lanes()
            await self._with_lanes()
        flooded = await self._flood() if self._plan.flood_s else None
        stats = await self._asker.stats()
        return Results(
            idle=self._idle,
            without=self._without,
            beside=self._beside,
            alone=self._alone,
            shared=self._shared,
            flooded=flooded,
            others=self._others,
            cancelled=stats["cancelled"],
            late=stats["tokens_after_cancel"],
        )

    async def _warm(self) -> None:
        """The first requests pay for what is done once."""
        for body in (WORK, QUESTION, QUESTION):
            await self._asker.ask("normal", body, Seen())

    async def _ask(self, lane: Lane, seen: Seen, count: int) -> None:
        for _ in range(count):
            await self._asker.ask(lane, QUESTION, seen)

    async def _without_lanes(self) -> None:
        async with crowd(self._asker, "normal", WORK, CROWD) as work:
            self._others.append(work)
            await self._ask("normal", self._without, self._plan.slow_asks)

    async def _with_lanes(self) -> None:
        now = asyncio.get_running_loop().time
        async with crowd(self._asker, "batch", WORK, CROWD) as work:
            self._others.append(work)
            begun, before = now(), work.pieces
            await asyncio.sleep(self._plan.alone_s)
            half, middle = now(), work.pieces
            await self._ask("interactive", self._beside, self._plan.asks)
            self._alone = _longer(self._alone, middle - before, half - begun)
            self._shared = _longer(self._shared, work.pieces - middle, now() - half)

    async def _flood(self) -> Seen:
        async with (
            crowd(self._asker, "interactive", QUESTION, FLOOD) as flood,
            crowd(self._asker, "batch", WORK, 2) as work,
        ):
            self._others += [flood, work]
            await asyncio.sleep(self._plan.flood_s)
        return work


def _longer(rate: Rate, pieces: int, seconds: float) -> Rate:
    return Rate(rate.pieces + pieces, rate.seconds + seconds)
