"""Another process in place of a model's worker, and perhaps other weights, without a lost request.

Where both fit, the new one is up before the old one is told to end. Where they do not, the old one
ends first, and requests wait at the gateways as for any model that is loaded for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from server.core.limits import WHOLE_REQUEST_S
from server.launcher.room.housekeeper import SETTLE_S, Housekeeper, is_up
from server.launcher.running.crew import Crew
from server.launcher.running.keeper import Keeper
from server.launcher.running.routing import Router
from server.wire.launcher import ChildStatus

REGISTERED_S: Final = 10.0
"""For a worker that is up to be known to the controller."""
_LOOK_S: Final = 0.05
_COMING: Final[tuple[ChildStatus, ...]] = ("waiting", "starting", "loading", "asleep")
BEING_SWAPPED: Final = "it is being swapped"


class Swapper:
    def __init__(
        self, crew: Crew, house: Housekeeper, router: Router, note: Callable[[str], None]
    ) -> None:
        self._crew = crew
        self._house = house
        self._router = router
        self._note = note
        self._turns: dict[str, asyncio.Lock] = {}
        """By model: who waits swaps those that serve it then, not those that have gone."""

    async def swap(self, keeper: Keeper, path: str) -> bool:
        """All replicas of its model, one after another. `path`: where the weights are from now on;
        empty: where they were. False: it did not work, and what was there before goes on."""
        model = keeper.plan.model
        if model is None:  # of a provider there is nothing to load
            return await self._in_place(keeper, path)
        async with self._turns.setdefault(model.name, asyncio.Lock()):
            for one in self._replicas(model.name):
                async with one.wishes:
                    if not await self._swap_one(one, path):
                        return False
        return True

    def _replicas(self, model: str) -> Sequence[Keeper]:
        return [k for k in self._crew.keepers if k.plan.model and k.plan.model.name == model]

    async def _swap_one(self, keeper: Keeper, path: str) -> bool:
        name = keeper.plan.name
        if not is_up(keeper) or keeper.plan.drains:  # nobody is served there now
            keeper.plan = keeper.plan.loading_from(path)
            if keeper.has_ended:
                self._note(f"{name}: that counts from its next start on.")
            else:
                await keeper.doze(BEING_SWAPPED, WHOLE_REQUEST_S)
                keeper.start()
            return True
        new = self._crew.recruit(keeper, keeper.plan.loading_from(path))
        self._router.add(new)
        if await asyncio.shield(new.first) and await _until_routed(new):
            self._router.remove(new)
            self._crew.promote(new, keeper)
            self._note(f"{name}: the new one serves at {new.state.address}; the old one ends.")
            await self._retire(keeper)
            return True
        self._router.remove(new)
        why = new.state.detail
        await self._crew.dismiss(new)
        if new.refused:
            self._note(f"{name}: both do not fit, so requests wait while it is swapped.")
            return await self._in_place(keeper, path)
        self._note(f"{name}: the new one did not start ({why}); the old one goes on.")
        return False

    async def _retire(self, old: Keeper) -> None:
        await self._router.set_aside(old)
        await asyncio.sleep(SETTLE_S)
        await self._crew.dismiss(old)

    async def _in_place(self, keeper: Keeper, path: str) -> bool:
        before = keeper.plan
        keeper.retiring = keeper.waking = True
        try:
            await self._house.tell()
            await self._router.set_aside(keeper)
            await asyncio.sleep(SETTLE_S)
            await keeper.doze(BEING_SWAPPED, WHOLE_REQUEST_S)
            keeper.plan = before.loading_from(path)
            keeper.start()
            if await _until_up(keeper, _COMING):
                return True
            why = keeper.state.detail
            self._note(f"{keeper.plan.name}: it did not start ({why}); what was there is back.")
            keeper.plan = before
            if keeper.state.status != "backoff":  # after a pause it starts by itself
                keeper.start()
            await _until_up(keeper, (*_COMING, "backoff"))
            return False
        finally:
            keeper.retiring = False
            keeper.waking = not is_up(keeper)


async def _until_routed(keeper: Keeper) -> bool:
    try:
        async with asyncio.timeout(REGISTERED_S):
            while keeper.state.routing != "ready":  # noqa: ASYNC110 - the controller says it
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        return False
    return True


async def _until_up(keeper: Keeper, coming: Sequence[ChildStatus]) -> bool:
    """Whether it is, once it is not `coming` any more: its own deadline ends what takes long."""
    await asyncio.sleep(_LOOK_S)
    while keeper.state.status in coming and keeper.wanted:  # noqa: ASYNC110 - its process says it
        await asyncio.sleep(_LOOK_S)
    return is_up(keeper) and await _until_routed(keeper)
