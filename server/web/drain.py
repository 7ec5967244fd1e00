"""How a process ends: no new requests, time for the running ones, then a clean cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Drain:
    """Counts requests in flight, and can end those that take too long.

    Long-lived subscriptions are not counted: they watch `begun` and end by themselves.
    """

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cutting = False
        self.cuts: set[Callable[[], None]] = set()
        """Ends one running request each; `cutting` tells it why."""
        self.in_flight = 0
        self._idle = asyncio.Event()

    def counted(self) -> _Counted:
        """One request in flight, for as long as the block lasts."""
        return _Counted(self)

    def _ended(self) -> None:
        self.in_flight -= 1
        if not self.in_flight:
            self._idle.set()

    async def finish(self, patience_s: float, farewell_s: float = 2.0) -> None:
        """Refuse new requests, let the running ones end, cut those left after `patience_s`."""
        self.begun.set()
        if not await self._idle_within(patience_s):
            self.cutting = True
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


class _Counted:
    """A class, because a generator costs each request more than all that it does."""

    __slots__ = ("_drain",)

    def __init__(self, drain: Drain) -> None:
        self._drain = drain

    def __enter__(self) -> None:
        self._drain.in_flight += 1

    def __exit__(self, *_: object) -> None:
        self._drain._ended()
