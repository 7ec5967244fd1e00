"""The controller: who is alive, who serves what, how long each queue is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.controller.callers import Callers
from server.controller.fastchat import WRITES, FastChatRoutes
from server.controller.fastchat_relay import FastChatRelay
from server.controller.feed import Feed
from server.controller.fleet import EVENTS, FleetRoutes
from server.controller.picker import Picker
from server.controller.registry import Registry
from server.controller.sweeper import Sweeper
from server.controller.waking import Waking
from server.core.clock import Clock, SystemClock
from server.web.asgi import ASGIApp, Scope
from server.web.drain import Drain
from server.web.edge import Check, Edge, internal_secret, known_host
from server.web.lifespan import with_lifespan
from server.web.origins import Origins
from server.web.table import Table
from server.wire.fleet import SECRET_HEADER
from server.wire.process import ControllerProcess


def create_app(
    settings: ControllerProcess,
    drain: Drain,
    *,
    clock: Clock | None = None,
    registry: Registry | None = None,
) -> ASGIApp:
    clock = clock or SystemClock()
    registry = registry or Registry(clock)
    sweeper = Sweeper(registry, clock)
    feed = Feed(registry, drain)
    http = HTTPClient()
    registry.gone = lambda address: http.forget(Origin.parse(address))
    picker = Picker(registry, settings.controller.dispatch)
    callers = Callers(settings.secret, settings.controller.fastchat_workers, closed=settings.closed)
    table = Table(
        FleetRoutes(registry, callers).routes(),
        {("GET", EVENTS): feed},
        FastChatRoutes(registry, picker, callers, http).routes(),
        FastChatRelay(
            Waking(registry, picker, settings.wake_s), http, drain, settings.secret
        ).routes(),
    )

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(sweeper.run()), tasks.create_task(feed.wake_at_stop())]
            yield
            for task in running:
                task.cancel()
        http.close()

    checks = (
        known_host(settings.controller),
        fleet_secret(settings.secret),
        closed_reads(callers),
    )
    edge = Edge(
        table,
        drain,
        checks,
        origins=Origins(settings.controller.allowed_origins),
        ready=sweeper.missing,
        uncounted=frozenset({EVENTS}),
    )
    return with_lifespan(edge, lifespan)


def fleet_secret(secret: SecretStr) -> Check:
    """Demands the secret for `/fleet…`; FastChat's paths have their own rules."""
    demand = internal_secret(secret, header_name=SECRET_HEADER)

    def check(scope: Scope) -> None:
        if scope["path"].startswith("/fleet"):
            demand(scope)

    return check


def closed_reads(callers: Callers) -> Check:
    """Where `callers` is closed, demands the secret on FastChat's reading paths too; the writing
    ones always ask for it."""

    def check(scope: Scope) -> None:
        path = scope["path"]
        if callers.closed and not path.startswith("/fleet") and path not in WRITES:
            callers.demand_secret(scope)

    return check
