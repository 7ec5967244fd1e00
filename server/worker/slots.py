"""Places at a worker: so many requests at once, so many in line, and one more is refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from types import TracebackType

from server.core.clock import Clock, SystemClock
from server.core.errors import Overloaded
from server.wire.fleet import Load
from server.wire.lanes import Lane
from server.worker.line import Line, for_batch
from server.worker.pace import Pace
from server.worker.shares import Shares


class Slots:
    """Given to who is next in `Line`; some are kept from batch work, and no others.

    So an interactive request finds a slot although batch work could fill them all. Nothing is
    kept from `normal`, which is what all clients are that know no lanes: they get every slot.
    Requests of which no customer is known are those of one customer.
    Counts for each gateway what it has running or in line here.
    """

    def __init__(self, slots: int, queue: int, clock: Clock | None = None) -> None:
        self.slots = slots
        self.queue = queue
        self.cancelled = 0
        """Requests that ended because somebody left or time was up."""
        self.served = 0
        """Requests that gave a slot back."""
        self.changed: Callable[[], None] = lambda: None
        """Is called when there is one request more here, or one less."""
        self._clock = clock or SystemClock()
        self._running = 0
        self._batch = 0
        """Of those that run, how many are batch work,"""
        self._most_batch = for_batch(slots)
        """and how many may be."""
        self._shares = Shares()
        self._line = Line(queue, self._shares)
        self._pace = Pace(self._clock)
        self._by_gateway: Counter[str] = Counter()

    def take(self, gateway: str = "", lane: Lane = "normal", customer: str = "") -> Turn:
        """`async with` one slot, waiting in line for it.

        Raises `Overloaded` when the line is full; also, for a request that waits already, when its
        place goes to somebody more urgent, or to a customer that has fewer.
        """
        return Turn(self, gateway, lane, customer)

    def spare(self, lane: Lane, customer: str) -> Spare:
        """For a request that has a slot, and could use more of them."""
        return Spare(self, lane, customer)

    def take_spare(self, lane: Lane, customer: str) -> bool:
        """Whether there is one more: the last that is free is left to whoever comes."""
        if not self._has_slot(lane) or self._running + 1 >= self.slots:
            return False
        self._shares.enter(customer)
        self._begun(lane, customer)
        self.changed()
        return True

    def give_spare(self, lane: Lane, customer: str) -> None:
        self._leave(lane, customer)
        self._shares.leave(customer)
        self.changed()

    async def begin(self, gateway: str, lane: Lane, customer: str) -> float:
        """Wait for a slot. Returns when it began, for `end`."""
        if not self._has_slot(lane):
            self._make_room(lane, customer)
        self._by_gateway[gateway] += 1
        self._shares.enter(customer)
        self.changed()
        try:
            await self._enter(lane, customer)
        except BaseException as error:
            self._forget(gateway, customer, error)
            raise
        return self._pace.begin()

    def end(
        self, gateway: str, lane: Lane, customer: str, began: float, error: BaseException | None
    ) -> None:
        """Give the slot back; `error` is what ended the work in it."""
        self._pace.end(began)
        self.served += 1
        self._leave(lane, customer)
        self._forget(gateway, customer, error)

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

    def _make_room(self, lane: Lane, customer: str) -> None:
        """A place in line. Raises `Overloaded`."""
        if self._line.has_room(lane):
            return
        displaced = self._line.pop_for(lane, customer)
        if displaced is None:
            raise self._overloaded(lane, customer)
        if not displaced.turn.done():
            displaced.turn.set_exception(self._overloaded(displaced.lane, displaced.customer))

    def _overloaded(self, lane: Lane, customer: str) -> Overloaded:
        slots = self._most_batch if lane == "batch" else self.slots
        wait_s = self._pace.wait_s(self._line.ahead(lane, customer), slots)
        return Overloaded(
            f"All {slots} slots for {lane} requests are busy and {len(self._line)} requests wait; "
            f"retry in {wait_s:.0f} s.",
            retry_after_s=wait_s,
        )

    async def _enter(self, lane: Lane, customer: str) -> None:
        if self._has_slot(lane):
            self._begun(lane, customer)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = self._line.append(lane, turn, self._clock.monotonic(), customer)
        try:
            await turn
        except asyncio.CancelledError:
            if not self._line.remove(place) and _came(turn):
                self._leave(lane, customer)  # our turn had come in the same moment
            raise

    def _leave(self, lane: Lane, customer: str) -> None:
        """Hand the slot on to who is next in line and may have it; he counts as running at once.

        One at most: a slot that was free before is free because nobody in line may have it.
        """
        self._running -= 1
        self._batch -= lane == "batch"
        self._shares.rest(customer)
        place = self._line.pop(batch=self._has_slot("batch"))
        if place is not None:
            self._begun(place.lane, place.customer)
            place.turn.set_result(None)

    def _begun(self, lane: Lane, customer: str) -> None:
        self._running += 1
        self._batch += lane == "batch"
        self._shares.run(customer)

    def _forget(self, gateway: str, customer: str, error: BaseException | None) -> None:
        if isinstance(error, asyncio.CancelledError):
            self.cancelled += 1
        self._by_gateway[gateway] -= 1
        if not self._by_gateway[gateway]:
            del self._by_gateway[gateway]
        self._shares.leave(customer)
        self.changed()


class Spare:
    """Slots beyond the one that a request has, as long as nobody else wants them.

    They count as if they were its customer's other requests, but for its gateway, which knows of
    none.
    """

    __slots__ = ("_customer", "_lane", "_slots")

    def __init__(self, slots: Slots, lane: Lane, customer: str) -> None:
        self._slots = slots
        self._lane: Lane = lane
        self._customer = customer

    def take(self) -> bool:
        """Whether there is one more; to be given back then."""
        return self._slots.take_spare(self._lane, self._customer)

    def give(self) -> None:
        self._slots.give_spare(self._lane, self._customer)


class Turn:
    """A slot for one request; a class, because a generator costs more than all that it does."""

    __slots__ = ("_began", "_customer", "_gateway", "_lane", "_slots")

    def __init__(self, slots: Slots, gateway: str, lane: Lane, customer: str) -> None:
        self._slots = slots
        self._gateway = gateway
        self._lane: Lane = lane
        self._customer = customer
        self._began = 0.0

    async def __aenter__(self) -> None:
        self._began = await self._slots.begin(self._gateway, self._lane, self._customer)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._slots.end(self._gateway, self._lane, self._customer, self._began, error)


def _came(turn: asyncio.Future[None]) -> bool:
    return turn.done() and not turn.cancelled() and turn.exception() is None
