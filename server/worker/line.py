"""The line in front of a worker's slots: who may stand in it, and who is next.

A lane sets a request back by a fixed time, and then the lane of the oldest one is served. So
interactive requests pass newer and younger ones of the other lanes, but no lane is passed for
ever: once its oldest request has waited for what its lane sets it back, it is before everybody who
comes later.

Within a lane customers are served in turn (`shares.py`), the requests of each in their order. When
the line is full, a place is taken from who has the most requests here, as McKenney 1990,
"Stochastic Fairness Queueing", drops from the longest queue: so nobody can keep the others out.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from server.core.limits import BATCH_BEHIND_S, KEPT_FROM_BATCH, NORMAL_BEHIND_S
from server.wire.lanes import LANES, Lane
from server.worker.shares import Shares

_BEHIND_S: Final[dict[Lane, float]] = {
    "interactive": 0.0,
    "normal": NORMAL_BEHIND_S,
    "batch": BATCH_BEHIND_S,
}


def for_batch(places: int) -> int:
    """How many of some slots, or of some places in line, batch work may take."""
    return places - max(1, int(places * KEPT_FROM_BATCH)) if places > 1 else places


@dataclass(slots=True, eq=False)
class Place:
    """One request in line. `turn` is done when it has a slot, or an error when it has to go."""

    lane: Lane
    customer: str
    due: float
    """When it came, put back by its lane."""
    turn: asyncio.Future[None] = field(repr=False)


_Queues: TypeAlias = dict[str, deque[Place]]
"""Of one lane: of each customer that waits in it, the oldest first."""


class Line:
    """`places`: so many wait at most. Those whose `turn` is cancelled are passed over.

    `shares`: of all customers that have a request in line or running.
    """

    def __init__(self, places: int, shares: Shares) -> None:
        self.places = places
        self._shares = shares
        self._lanes: dict[Lane, _Queues] = {lane: {} for lane in LANES}
        self._lengths: Counter[Lane] = Counter()

    def __len__(self) -> int:
        return self._lengths.total()

    def counts(self) -> dict[Lane, int]:
        """Of the lanes in which somebody waits."""
        return {lane: count for lane, count in self._lengths.items() if count}

    def ahead(self, lane: Lane, customer: str = "") -> int:
        """How many of those that wait would have their turn before one more of `customer`.

        All that are more urgent, and in its own lane its own, and of each other one as many and
        one more.
        """
        urgent = sum(self._lengths[one] for one in LANES[: LANES.index(lane)])
        queues = self._lanes[lane]
        mine = len(queues.get(customer, ()))
        others = sum(min(len(q), mine + 1) for name, q in queues.items() if name != customer)
        return urgent + mine + others

    def has_room(self, lane: Lane) -> bool:
        if lane == "batch" and self._lengths["batch"] >= for_batch(self.places):
            return False
        return len(self) < self.places

    def append(
        self, lane: Lane, turn: asyncio.Future[None], now: float, customer: str = ""
    ) -> Place:
        place = Place(lane, customer, now + _BEHIND_S[lane], turn)
        self._lanes[lane].setdefault(customer, deque()).append(place)
        self._lengths[lane] += 1
        return place

    def remove(self, place: Place) -> bool:
        """False if it is not in line any more."""
        queue = self._lanes[place.lane].get(place.customer)
        if queue is None or place not in queue:
            return False
        queue.remove(place)
        self._took(place)
        return True

    def pop(self, *, batch: bool) -> Place | None:
        """Who is next; `batch`: whether it may be a batch request."""
        while lanes := self._lanes_with(batch=batch):
            queues = self._lanes[min(lanes, key=self._oldest)]
            first = queues[min(queues, key=self._shares.rank)].popleft()
            self._took(first)
            if not first.turn.done():
                return first
        return None

    def _lanes_with(self, *, batch: bool) -> list[Lane]:
        """Those in which somebody waits who may have a slot."""
        return [
            lane for lane, queues in self._lanes.items() if queues and (batch or lane != "batch")
        ]

    def _oldest(self, lane: Lane) -> float:
        return min(queue[0].due for queue in self._lanes[lane].values())

    def pop_for(self, lane: Lane, customer: str) -> Place | None:
        """Who has to go when one of `customer` finds no place; None: nobody.

        Batch work goes for everything else. Otherwise it is the newest request, if no more urgent,
        of the customer that has the most here, if he then still has no fewer than `customer`.
        """
        requests = self._shares.requests
        if lane != "batch" and (batch := self._lanes["batch"]):
            return self._pop_newest("batch", max(batch, key=requests))
        lanes = LANES[LANES.index(lane) :]
        most = max((name for one in lanes for name in self._lanes[one]), key=requests, default=None)
        if most is None or requests(most) <= requests(customer) + 1:
            return None
        least = next(one for one in reversed(lanes) if most in self._lanes[one])
        return self._pop_newest(least, most)

    def _pop_newest(self, lane: Lane, customer: str) -> Place:
        place = self._lanes[lane][customer].pop()
        self._took(place)
        return place

    def _took(self, place: Place) -> None:
        """It is in its queue no more."""
        self._lengths[place.lane] -= 1
        queues = self._lanes[place.lane]
        if not queues[place.customer]:
            del queues[place.customer]
