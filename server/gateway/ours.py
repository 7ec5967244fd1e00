"""What a gateway tells the other processes of the fleet: below `/shortline/`, for its secret."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from server.core.errors import NotFound
from server.gateway.fleet import Fleet
from server.gateway.siblings import Siblings
from server.gateway.sight.sight import Sight
from server.gateway.stats import own_stats, report
from server.wire.sight import Explained, GatewayNumbers
from server.wire.stats import GatewayStats

OURS = "/shortline/"
STATS = f"{OURS}stats"
NUMBERS = f"{OURS}numbers"
QUEUE = f"{OURS}queue/"
REQUESTS = f"{OURS}requests/"
OWN = "/own"
"""At the end of a path: this gateway's own answer, whatever the others know."""


class Place(BaseModel):
    position: int
    """How many must end before a slot is free for it; 0: a worker is on it."""


class Ours:
    def __init__(self, fleet: Fleet, sight: Sight, siblings: Siblings) -> None:
        self._fleet = fleet
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
        position = self._fleet.position(path.removeprefix(QUEUE))
        if position is None and not alone:
            found = await self._siblings.ask(path + OWN, Place)
            position = found[0].position if found else None
        if position is None:
            raise NotFound("No request with this id is in flight here.")
        return {"position": position}

    async def _explained(self, path: str, *, alone: bool) -> Any:
        explained = self._sight.explain(path.removeprefix(REQUESTS))
        if explained is None and not alone:
            explained = next(iter(await self._siblings.ask(path + OWN, Explained)), None)
        if explained is None:
            raise NotFound("No request with this id is remembered; the last 2,000 are.")
        return explained.model_dump(mode="json")
