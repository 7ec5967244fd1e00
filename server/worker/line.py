"""The line in front of a worker's slots: who may stand in it, and who is next.

A lane sets a request back by a fixed time, and then the oldest comes first. So interactive
requests pass newer and younger ones of the other lanes, but nobody is passed for ever: whoever
has waited for what his lane sets him back is before everybody who comes later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from server.core.limits import BATCH_BEHIND_S, KEPT_FROM_BATCH, NORMAL_BEHIND_S
from server.wire.lanes import LANES, Lane

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
    due: float
    """When it came, put back by its lane."""
    turn: asyncio.Future[None] = field(repr=False)


class Line:
    """`places`: so many wait at most. Those whose `turn` is cancelled are passed over."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._lanes: dict[Lane, deque[Place]] = {lane: deque() for lane in LANES}

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def counts(self) -> dict[Lane, int]:
        """Of the lanes in which somebody waits."""
        return {lane: len(places) for lane, places in self._lanes.items() if places}

    def ahead(self, lane: Lane) -> int:
        """How many wait who are as urgent as `lane`, or more."""
        return sum(len(self._lanes[one]) for one in LANES[: LANES.index(lane) + 1])

    def has_room(self, lane: Lane) -> bool:
        if lane == "batch" and len(self._lanes["batch"]) >= for_batch(self.places):
            return False
        return len(self) < self.places

    def append(self, lane: Lane, turn: asyncio.Future[None], now: float) -> Place:
        place = Place(lane, now + _BEHIND_S[lane], turn)
        self._lanes[lane].append(place)
        return place

    def remove(self, place: Place) -> bool:
        """False if it is not in line any more."""
        try:
            self._lanes[place.lane].remove(place)
        except ValueError:
            return False
        return True

    def pop(self, *, batch: bool) -> Place | None:
        """Who is next; `batch`: whether it may be a batch request."""
        while heads := self._heads(batch=batch):
            first = min(heads, key=lambda place: place.due)
            self._lanes[first.lane].popleft()
            if not first.turn.done():
                return first
        return None

    def _heads(self, *, batch: bool) -> list[Place]:
        """The first of each lane."""
        return [
            places[0]
            for lane, places in self._lanes.items()
            if places and (batch or lane != "batch")
        ]

    def pop_newest_batch(self) -> Place | None:
        """Who has to go when somebody more urgent finds no place."""
        batch = self._lanes["batch"]
        return batch.pop() if batch else None
