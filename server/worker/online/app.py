"""One online provider as a worker of the fleet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.clients.fleet import ControllerClient
from server.clients.http import HTTPClient, Origin
from server.core.errors import MethodNotAllowed, NotFound, StartError
from server.core.settings import ProviderSettings
from server.web.asgi import ASGIApp, Receive, Scope, Send
from server.web.drain import Drain
from server.web.edge import Edge, internal_secret
from server.web.lifespan import with_lifespan
from server.wire.fleet import SECRET_HEADER, Registration
from server.wire.process import OnlineWorkerProcess
from server.worker.heart import Heart
from server.worker.online.discovery import upstream_names
from server.worker.online.provider import authorised
from server.worker.online.relay import PATHS, ProviderRelay
from server.worker.slots import Slots

QUEUE = 32
"""Requests that wait for one of the provider's slots."""


def create_app(settings: OnlineWorkerProcess, drain: Drain, address: str) -> ASGIApp:
    provider = settings.provider
    origin = origin_of(provider)
    http = HTTPClient()
    slots = Slots(provider.slots, QUEUE)
    online = OnlineWorker()

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        headers = authorised(provider, settings.api_key)
        names = await upstream_names(provider, http, origin, headers)
        online.relay = ProviderRelay(provider, origin, settings.api_key, names, http, slots, drain)
        registration = Registration(
            address=address,
            models=tuple(names),
            abilities=provider.abilities,
            kind="online_api",
            speed=provider.speed,
            slots=provider.slots,
            queue=QUEUE,
        )
        controller = ControllerClient(settings.controller_url, settings.secret)
        async with Heart(controller, registration, slots.load).beating(drain.begun):
            yield
        http.close()

    checks = [internal_secret(settings.secret, header_name=SECRET_HEADER)]
    return with_lifespan(Edge(online, drain, checks), lifespan)


class OnlineWorker:
    """The three paths of the API, once the provider's models are known."""

    def __init__(self) -> None:
        self.relay: ProviderRelay | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.relay is None or scope["path"] not in PATHS:
            raise NotFound("There is nothing at this path.")
        if scope["method"] != "POST":
            raise MethodNotAllowed("This path takes POST only.")
        await self.relay.serve(scope, receive, send)


def origin_of(provider: ProviderSettings) -> Origin:
    """Raises `StartError` for an address that is none."""
    try:
        return Origin.parse(provider.base_url or "")
    except ValueError as error:
        raise StartError(f"the provider {provider.name}: {error}") from error
