"""One online provider, or one joined server, as a worker of the fleet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from server.clients.fleet import ControllerClient
from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.clients.servers.asking import Server
from server.core.errors import StartError
from server.core.ids import name_here
from server.core.provider_settings import ProviderSettings
from server.web.asgi import ASGIApp
from server.web.background import kept_running
from server.web.drain import Drain
from server.web.edge import Edge, internal_secret
from server.web.lifespan import with_lifespan
from server.wire.fleet import SECRET_HEADER, Registration, fleet_id
from server.wire.process import OnlineWorkerProcess, Report
from server.worker.heart import Heart
from server.worker.online.discovery import Names, until_found, upstream_names
from server.worker.online.following import Follower, Offer
from server.worker.online.joined import Joined
from server.worker.online.provider import authorised
from server.worker.online.relay import ProviderRelay
from server.worker.online.speaker import OnlineWorker
from server.worker.online.tokens import Tokens
from server.worker.slots import Slots
from server.worker.standing import Standing

QUEUE = 32
"""Requests that wait for one of the provider's slots."""
FIRST_ANSWER_S = 3.0
"""How long a provider may hold up our start; after that we start without it."""


def create_app(
    settings: OnlineWorkerProcess, drain: Drain, say: Callable[[Report], None], address: str
) -> ASGIApp:
    """It serves at once, and joins the fleet when the provider has told its models."""
    process = _Process(settings, drain, say, address)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with kept_running(process.live(), "speaking for the provider"):
            await process.online.first_answer(FIRST_ANSWER_S)
            yield
        process.http.close()

    checks = [internal_secret(settings.secret, header_name=SECRET_HEADER)]
    edge = Edge(process.online, drain, checks, ready=process.missing)
    return with_lifespan(edge, lifespan)


class _Process:
    """Its parts. Raises `StartError` for an address that is none."""

    def __init__(
        self,
        settings: OnlineWorkerProcess,
        drain: Drain,
        say: Callable[[Report], None],
        address: str,
    ) -> None:
        self._settings = settings
        self._provider = settings.provider
        self._origin = origin_of(settings.provider)
        self._drain = drain
        self._address = address
        self._slots = Slots(settings.provider.slots, QUEUE)
        self._standing = Standing(say)
        self.http = HTTPClient(ask_again=False)
        self.online = OnlineWorker(say)

    def missing(self) -> str | None:
        return self.online.missing or self._standing.missing

    async def live(self) -> None:
        if self._provider.server and not self._provider.models:
            await self._follow()
        else:
            await self._serve()
        await asyncio.Event().wait()

    async def _serve(self) -> None:
        """A provider's models are those that it has when it is there for the first time."""
        headers = authorised(self._provider, self._settings.api_key)
        names = await until_found(
            lambda: upstream_names(self._provider, self.http, self._origin, headers),
            self.online.wait_for,
            self._drain.begun,
        )
        if names is None:
            return
        self.online.begin(self._relay(names))
        heart = Heart(
            self._controller(),
            self._registration(names),
            self._slots.load,
            standing=self._standing,
            draining=self._settings.draining,
        )
        self._slots.changed = heart.stir
        async with heart.beating(self._drain.begun):
            await asyncio.Event().wait()

    async def _follow(self) -> None:
        key, provider = self._settings.api_key, self._provider
        relay = self._relay({})
        joined = Joined(
            self.online,
            relay,
            Tokens(provider, self._origin, key, self.http),
            Offer(provider, self._registration({"": ""})),
            self._slots,
            self._standing,
            self._controller,
            self._drain.begun,
            draining=self._settings.draining,
        )
        server = Server(self.http, self._origin, fleet_id(self._settings.secret), key)
        follower = Follower(server, joined, self._drain.begun)
        relay.not_there = follower.look_soon
        try:
            await follower.run()
            await asyncio.Event().wait()
        finally:
            await joined.close()

    def _relay(self, names: Names) -> ProviderRelay:
        return ProviderRelay(
            self._provider,
            self._origin,
            self._settings.api_key,
            names,
            self.http,
            self._slots,
            self._drain,
        )

    def _controller(self) -> ControllerClient:
        return ControllerClient(self._settings.controller_url, self._settings.secret)

    def _registration(self, names: Names) -> Registration:
        provider = self._provider
        return Registration(
            address=self._address,
            name=name_here(self._settings.name),
            models=tuple(names),
            abilities=provider.abilities or ("chat",),
            kind="online_api",
            speed=provider.speed,
            slots=provider.slots,
            queue=QUEUE,
        )


def origin_of(provider: ProviderSettings) -> Origin:
    """Raises `StartError` for an address that is none."""
    try:
        return Origin.parse(provider.base_url or "")
    except ValueError as error:
        raise StartError(f"the provider {provider.name}: {error}") from error
