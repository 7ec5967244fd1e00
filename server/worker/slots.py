"""Places at a worker: so many requests at once, so many in line, and one more is refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from server.core.clock import Clock, SystemClock
from server.core.errors import Overloaded
from server.wire.fleet import Load
from server.wire.lanes import Lane
from server.worker.line import Line, for_batch
from server.worker.pace import Pace


class Slots:
    """Given to who is next in `Line`; some are kept from batch work, and no others.

    So an interactive request finds a slot although batch work could fill them all. Nothing is
    kept from `normal`, which is what all clients are that know no lanes: they get every slot.
    Counts for each gateway what it has running or in line here.
    """

    def __init__(self, slots: int, queue: int, clock: Clock | None = None) -> None:
        self.slots = slots
        self.queue = queue
        self.cancelled = 0
        """Requests that ended because somebody left or time was up."""
        self.changed: Callable[[], None] = lambda: None
        """Is called when there is one request more here, or one less."""
        self._clock = clock or SystemClock()
        self._running = 0
        self._batch = 0
        """Of those that run, how many are batch work,"""
        self._most_batch = for_batch(slots)
        """and how many may be."""
        self._line = Line(queue)
        self._pace = Pace(self._clock)
        self._by_gateway: Counter[str] = Counter()

    @asynccontextmanager
    async def take(self, gateway: str = "", lane: Lane = "normal") -> AsyncIterator[None]:
        """One slot, waiting in line for it.

        Raises `Overloaded` when the line is full; also, for a batch request that waits already,
        when its place goes to somebody more urgent.
        """
        if not self._has_slot(lane):
            self._make_room(lane)
        self._by_gateway[gateway] += 1
        self.changed()
        try:
            await self._enter(lane)
            began = self._pace.begin()
            try:
                yield
            finally:
                self._pace.end(began)
                self._leave(lane)
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
            by_lane=self._line.counts(),
            cancelled=self.cancelled,
        )

    def _has_slot(self, lane: Lane) -> bool:
        """Who waits never waits for a slot that is free, so nobody is passed here."""
        if lane == "batch" and self._batch >= self._most_batch:
            return False
        return self._running < self.slots

    def _make_room(self, lane: Lane) -> None:
        """A place in line. Raises `Overloaded`."""
        if self._line.has_room(lane):
            return
        displaced = None if lane == "batch" else self._line.pop_newest_batch()
        if displaced is None:
            raise self._overloaded(lane)
        if not displaced.turn.done():
            displaced.turn.set_exception(self._overloaded("batch"))

    def _overloaded(self, lane: Lane) -> Overloaded:
        slots = self._most_batch if lane == "batch" else self.slots
        wait_s = self._pace.wait_s(self._line.ahead(lane), slots)
        return Overloaded(
            f"All {slots} slots for {lane} requests are busy and {len(self._line)} requests wait; "
            f"retry in {wait_s:.0f} s.",
            retry_after_s=wait_s,
        )

    async def _enter(self, lane: Lane) -> None:
        if self._has_slot(lane):
            self._count(lane, 1)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = self._line.append(lane, turn, self._clock.monotonic())
        try:
            await turn
        except asyncio.CancelledError:
            if not self._line.remove(place) and _came(turn):
                self._leave(lane)  # our turn had come in the same moment
            raise

    def _leave(self, lane: Lane) -> None:
        """Hand the slot on to who is next in line and may have it; he counts as running at once.

        One at most: a slot that was free before is free because nobody in line may have it.
        """
        self._count(lane, -1)
        place = self._line.pop(batch=self._has_slot("batch"))
        if place is not None:
            self._count(place.lane, 1)
            place.turn.set_result(None)

    def _count(self, lane: Lane, change: int) -> None:
        self._running += change
        if lane == "batch":
            self._batch += change

    def _forget(self, gateway: str) -> None:
        self._by_gateway[gateway] -= 1
        if not self._by_gateway[gateway]:
            del self._by_gateway[gateway]
        self.changed()


def _came(turn: asyncio.Future[None]) -> bool:
    return turn.done() and not turn.cancelled() and turn.exception() is None
