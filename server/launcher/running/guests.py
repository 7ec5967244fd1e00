"""Servers that are joined, and leave, while we run: each becomes a worker of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from server.clients.joined import JoinedFile
from server.core.errors import ConfigError
from server.core.settings import JoinedServer
from server.launcher.running.desired import Desired
from server.launcher.running.keeper import Keeper
from server.launcher.setup.plan import ChildPlan
from server.wire.process import Join, Leave

log = logging.getLogger(__name__)

Guest = Callable[[JoinedServer], ChildPlan]


@dataclass(frozen=True, slots=True)
class House:
    """What a guest comes to."""

    keepers: Sequence[Keeper]
    take: Callable[[ChildPlan], Awaitable[object]]
    """Start it, and keep it."""
    dismiss: Callable[[Keeper], Awaitable[object]]
    """Let it finish what it does, and forget it."""
    note: Callable[[str], None]


class Guests:
    def __init__(self, file: JoinedFile, guest: Guest | None, desired: Desired) -> None:
        """`guest` is none where there is nothing to join."""
        self._file = file
        self._guest = guest
        self._desired = desired
        self._one_by_one = asyncio.Lock()

    @property
    def unreadable(self) -> str:
        return self._file.unreadable

    def plans(self, note: Callable[[str], None]) -> list[ChildPlan]:
        """Of those that were joined in an earlier life."""
        plans: list[ChildPlan] = []
        if self._guest is None:
            return plans
        for server in self._file.servers.values():
            try:
                plans.append(self._guest(server))
            except ConfigError as error:
                note(f"The server {server.name} was joined and is not started: {error}.")
        return plans

    async def fulfil(self, wish: Join | Leave, house: House) -> None:
        """What cannot be done is told to people; who has asked sees that nothing has changed."""
        if isinstance(wish, Leave):
            await self._leave(wish.leave, house)
            return
        async with self._one_by_one:
            plan = self._welcome(wish.join, house)
        if plan is not None:
            await house.take(plan)

    def _welcome(self, server: JoinedServer, house: House) -> ChildPlan | None:
        if self._guest is None:
            house.note(f"{server.name} cannot join: no gateway and no workers are started here.")
            return None
        try:
            plan = self._guest(server)
        except ConfigError as error:
            house.note(f"{server.name} cannot join: {error}.")
            return None
        taken = {keeper.plan.name for keeper in house.keepers}
        if plan.name in taken or server.name in self._file.servers:
            house.note(f"{server.name} cannot join: there is one of that name already.")
            return None
        if not self._file.add(server):
            house.note(f"{server.name} cannot join: that could not be written down.")
            return None
        self._desired.remember(plan.name, "serve")
        house.note(f"An operator has joined {server.name}: {server.url}.")
        return plan

    async def _leave(self, name: str, house: House) -> None:
        async with self._one_by_one:
            if name not in self._file.servers:
                house.note(f"No server was joined by the name {name[:100]!r}.")
                return
            if not self._file.remove(name):
                house.note(f"{name} cannot leave: that could not be written down.")
                return
            house.note(f"An operator lets {name} leave.")
        for keeper in list(house.keepers):
            if keeper.plan.name == worker_of(name):
                await house.dismiss(keeper)
                self._desired.remember(keeper.plan.name, "serve")


def worker_of(server: str) -> str:
    """The name of the process that speaks for it."""
    return f"online_api {server}"
