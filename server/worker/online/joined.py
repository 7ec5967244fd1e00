"""A joined server's place in the fleet: taken while it is there, and given up when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from server.clients.fleet import ControllerClient
from server.clients.servers.found import Found
from server.wire.fleet import Registration
from server.worker.heart import Heart
from server.worker.online.following import Offer
from server.worker.online.relay import ProviderRelay
from server.worker.online.speaker import OnlineWorker
from server.worker.online.tokens import Tokens
from server.worker.slots import Slots
from server.worker.standing import Standing


class Joined:
    """The `Host` of a `Follower`. Leave it with `close`."""

    def __init__(
        self,
        online: OnlineWorker,
        relay: ProviderRelay,
        tokens: Tokens,
        offer: Offer,
        slots: Slots,
        standing: Standing,
        controller: Callable[[], ControllerClient],
        drain: asyncio.Event,
        *,
        draining: bool,
    ) -> None:
        """`controller` makes a client for each stay in the fleet, which closes it."""
        self._online = online
        self._relay = relay
        self._tokens = tokens
        self._offer = offer
        self._slots = slots
        self._standing = standing
        self._controller = controller
        self._drain = drain
        self._draining = draining
        self._heart: Heart | None = None
        self._stay = AsyncExitStack()

    async def begin(self, found: Found) -> None:
        heart = Heart(
            self._controller(),
            self._registered_as(found),
            self._slots.load,
            standing=self._standing,
            draining=self._draining,
        )
        self._online.begin(self._relay, self._tokens)
        self._slots.changed = heart.stir
        await self._stay.enter_async_context(heart.beating(self._drain))
        self._heart = heart

    async def change(self, found: Found) -> None:
        registration = self._registered_as(found)
        if self._heart is not None:
            self._heart.announce(registration)

    async def end(self, why: str) -> None:
        """An operator's wish that it be drained outlasts its absence."""
        if self._heart is not None:
            self._draining = self._heart.draining
        self._online.lose(why)
        await self.close()

    def wait_for(self, why: str) -> None:
        self._online.wait_for(why)

    async def close(self) -> None:
        self._heart = None
        await self._stay.aclose()

    def _registered_as(self, found: Found) -> Registration:
        """The controller may hear of a model only when requests for it are taken."""
        registration = self._offer.of(found)
        self._tokens.kind = found.kind
        self._tokens.models = {name: registration.context_of(name) for name in found.models}
        names = {name: name for name in found.models}
        self._relay.offer(names, known=found.kind != "openai")
        return registration
