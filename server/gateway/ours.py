"""What a gateway tells the other processes of the fleet: below `/shortline/`, for its secret."""

from __future__ import annotations

from typing import Any

from server.core.errors import NotFound
from server.gateway.fleet import Fleet
from server.gateway.siblings import Siblings
from server.gateway.sight.sight import Sight
from server.gateway.stats import own_stats, report
from server.gateway.waking import Waking
from server.wire.sight import Explained, GatewayNumbers
from server.wire.stats import GatewayStats, Place

OURS = "/shortline/"
STATS = f"{OURS}stats"
NUMBERS = f"{OURS}numbers"
QUEUE = f"{OURS}queue/"
REQUESTS = f"{OURS}requests/"
OWN = "/own"
"""At the end of a path: this gateway's own answer, whatever the others know."""


class Ours:
    def __init__(self, fleet: Fleet, waking: Waking, sight: Sight, siblings: Siblings) -> None:
        self._fleet = fleet
        self._waking = waking
        self._sight = sight
        self._siblings = siblings

    async def tell(self, path: str) -> Any:
        """Raises `NotFound`."""
        alone = path.endswith(OWN)
        path = path.removesuffix(OWN)
        if path == STATS:
            own = own_stats(self._fleet)
            others = [] if alone else await self._siblings.ask(STATS + OWN, GatewayStats)
            return own.model_dump() if alone else report([own, *others])
        if path == NUMBERS:
            return self._sight.numbers().model_dump(mode="json")
        if path.startswith(QUEUE):
            return await self._place(path, alone=alone)
        if path.startswith(REQUESTS):
            return await self._explained(path, alone=alone)
        raise NotFound("There is nothing at this path.")

    async def metrics(self) -> bytes:
        """Of all gateways of the fleet."""
        return await self._sight.metrics(await self._siblings.ask(NUMBERS, GatewayNumbers))

    async def _place(self, path: str, *, alone: bool) -> Any:
        place = self._own_place(path.removeprefix(QUEUE))
        if place is None and not alone:
            place = next(iter(await self._siblings.ask(path + OWN, Place)), None)
        if place is None:
            raise NotFound("No request with this id is in flight here.")
        return place.model_dump(exclude_defaults=True)

    def _own_place(self, request_id: str) -> Place | None:
        position = self._fleet.position(request_id)
        if position is not None:
            return Place(position=position)
        resting = self._waking.waits_for(request_id)
        return Place(position=0, loading=True, done=resting.done) if resting else None

    async def _explained(self, path: str, *, alone: bool) -> Any:
        explained = self._sight.explain(path.removeprefix(REQUESTS))
        if explained is None and not alone:
            explained = next(iter(await self._siblings.ask(path + OWN, Explained)), None)
        if explained is None:
            raise NotFound("No request with this id is remembered; the last 2,000 are.")
        return explained.model_dump(mode="json")
