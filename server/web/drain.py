"""How a process ends: no new requests, time for the running ones, then a clean cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class Drain:
    """Counts requests in flight, and can end those that take too long.

    Long-lived subscriptions are not counted: they watch `begun` and end by themselves.
    """

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cutting = False
        self.in_flight = 0
        self._idle = asyncio.Event()
        self._deadlines: set[asyncio.Timeout] = set()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """One request in flight."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
            if not self.in_flight:
                self._idle.set()

    @asynccontextmanager
    async def deadline(self, seconds: float) -> AsyncIterator[asyncio.Timeout]:
        """A time limit that `cut` brings forward; `cutting` then tells the two apart."""
        async with asyncio.timeout(seconds) as limit:
            self._deadlines.add(limit)
            try:
                yield limit
            finally:
                self._deadlines.discard(limit)

    async def finish(self, patience_s: float, farewell_s: float = 2.0) -> None:
        """Refuse new requests, let the running ones end, cut those left after `patience_s`."""
        self.begun.set()
        if not await self._idle_within(patience_s):
            self.cutting = True
            for limit in list(self._deadlines):
                limit.reschedule(asyncio.get_running_loop().time())
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
