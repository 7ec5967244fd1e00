"""How a process ends: no new requests, time for the running ones, then a clean cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from server.web.rounds import Rounds


class Drain:
    """Counts requests in flight, and can end those that take too long.

    Long-lived subscriptions are not counted: they watch `begun` and end by themselves.
    """

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.is_ending = False
        """The same, for those who look with every request."""
        self.cuts: set[Callable[[], None]] = set()
        """Ends something that runs, each."""
        self.rounds = Rounds()
        """Of running requests: their time may be up, and in the end they are cut."""
        self.in_flight = 0
        """Requests: whoever adds one says `ended` when it is over."""
        self._idle = asyncio.Event()

    def ended(self) -> None:
        self.in_flight -= 1
        if self.is_ending and not self.in_flight:
            self._idle.set()

    async def finish(self, patience_s: float, farewell_s: float = 2.0) -> None:
        """Refuse new requests, let the running ones end, cut those left after `patience_s`."""
        self.begun.set()
        self.is_ending = True
        if not await self._idle_within(patience_s):
            self.rounds.cut()
            for cut in list(self.cuts):
                cut()
            await self._idle_within(farewell_s)

    async def _idle_within(self, seconds: float) -> bool:
        if not self.in_flight:
            return True
        self._idle.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True
