"""Places at a worker: so many requests at once, so many in line, and one more is refused."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.core.errors import Overloaded
from server.core.limits import RETRY_AFTER_S
from server.wire.fleet import Load


class Slots:
    """First come, first served. Counts for each gateway what it has running or in line here."""

    def __init__(self, slots: int, queue: int) -> None:
        self.slots = slots
        self.queue = queue
        self.cancelled = 0
        """Requests that ended because somebody left or time was up."""
        self._running = 0
        self._line: deque[asyncio.Future[None]] = deque()
        self._by_gateway: Counter[str] = Counter()

    @asynccontextmanager
    async def take(self, gateway: str = "") -> AsyncIterator[None]:
        """One slot, waiting in line for it. Raises `Overloaded` when the line is full."""
        if self._running >= self.slots and len(self._line) >= self.queue:
            raise Overloaded(
                f"All {self.slots} slots are busy and {len(self._line)} requests wait; "
                f"retry in {RETRY_AFTER_S:.0f} s.",
                retry_after_s=RETRY_AFTER_S,
            )
        self._by_gateway[gateway] += 1
        try:
            await self._enter()
            try:
                yield
            finally:
                self._hand_on()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self._forget(gateway)

    def load(self) -> Load:
        return Load(
            running=self._running,
            waiting=len(self._line),
            by_gateway={name: count for name, count in self._by_gateway.items() if name},
        )

    async def _enter(self) -> None:
        if self._running < self.slots:
            self._running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._line:
                self._line.remove(turn)
            elif not turn.cancelled():
                self._hand_on()  # our turn had come in the same moment
            raise

    def _hand_on(self) -> None:
        """Give the slot to the first in line, who keeps it counted as running."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._running -= 1

    def _forget(self, gateway: str) -> None:
        self._by_gateway[gateway] -= 1
        if not self._by_gateway[gateway]:
            del self._by_gateway[gateway]
