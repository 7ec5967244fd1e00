"""The gateway's parts, and how they hold together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from server.clients.fleet import ControllerClient
from server.clients.http import HTTPClient
from server.core.clock import Clock
from server.core.errors import TransportError
from server.core.ids import name_here, new_id
from server.gateway.admin.routes import follow
from server.gateway.asking import Asking
from server.gateway.customers.customers import Customers
from server.gateway.dialects.chats.chats import Chats
from server.gateway.dialects.kept.archive import Archive
from server.gateway.fastchat.upstream import FastChatUpstream
from server.gateway.fleet import Fleet
from server.gateway.models import offered
from server.gateway.ours import Ours
from server.gateway.relay import Relay
from server.gateway.retry_budget import RetryBudget
from server.gateway.routes import Routes
from server.gateway.siblings import Siblings
from server.gateway.sight.roll import Roll
from server.gateway.sight.sight import Sight
from server.gateway.sight.spans import open_spans
from server.gateway.waking import Waking
from server.ledger.ledger import Ledger
from server.ledger.responses import beside
from server.web.background import kept_running
from server.web.drain import Drain
from server.web.memory import give_back
from server.wire.fleet import GatewayView, Loads
from server.wire.process import GatewayProcess, app_key

log = logging.getLogger(__name__)

FIRST_VIEW_S = 3.0
"""Without a word from the controller for so long, it starts without one."""


class Parts:
    """Made at the start; `running` opens and closes what must be."""

    def __init__(
        self, settings: GatewayProcess, drain: Drain, address: str, clock: Clock, *, id: str = ""
    ) -> None:
        """`address`: where the other gateways reach this one, which is new at each start and so
        has a new `id`. Raises `StartError`."""
        own, gateway = GatewayView(id=id or new_id("gw"), address=address), settings.gateway
        self.own = own
        self.fleet = Fleet(
            own.id, method=settings.dispatch, expected=settings.expected_models, clock=clock
        )
        self.routes = Routes(gateway.routes)
        self._expected = settings.expected_models
        self.ledger = Ledger.open(Path(settings.ledger_file)) if settings.ledger_file else None
        self.customers = Customers(
            self.ledger,
            gateway.api_keys,
            clock=clock,
            required=gateway.require_api_key,
            ours=app_key(settings.secret),
            processes=gateway.workers,
            routed=partial(follow, self.routes),
        )
        budget = RetryBudget()
        self.roll = Roll()
        self.spans = open_spans(gateway.tracing)
        self.sight = Sight(
            clock,
            gateway=name_here(settings.name),
            models=self._models,
            workers=lambda: self.roll.numbers(self.fleet.workers()),
            retries_refused=lambda: budget.refused,
            spans=self.spans,
            sample=gateway.tracing.sample,
            log_requests=gateway.log_requests,
        )
        self.http = HTTPClient()
        self.controller = ControllerClient(settings.controller_url, settings.secret)
        siblings = Siblings(self.fleet, own.id, settings.secret, self.http)
        waking = Waking(self.fleet, self.controller.wake, gateway.wake_s)
        self.ours = Ours(self.fleet, waking, self.sight, siblings)
        self.archive = Archive(None if self.ledger is None else beside(self.ledger))
        self.chats = Chats(self.archive, clock)
        self.relay = Relay(
            self.fleet,
            self.routes,
            self.customers,
            self.sight,
            Asking(self.http, FastChatUpstream(self.http), settings.secret, own.id),
            waking,
            drain,
            budget,
            affinity=gateway.affinity,
            failover=gateway.failover,
            keep=self.chats.kept,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.aclose)
            await stack.enter_async_context(self.customers.running())
            if self.spans is not None:
                stack.push_async_callback(self.spans.aclose)
                await stack.enter_async_context(kept_running(self.spans.run(), "sending traces"))
            await stack.enter_async_context(kept_running(give_back(), "giving memory back"))
            heard = asyncio.Event()
            following = kept_running(self._follow(heard), "following the fleet")
            await stack.enter_async_context(following)
            with suppress(TimeoutError):  # it serves nobody before it knows whom to ask
                await asyncio.wait_for(heard.wait(), FIRST_VIEW_S)
            yield

    async def aclose(self) -> None:
        """Close what is open from the beginning."""
        self.http.close()
        await self.controller.aclose()
        await self.archive.close()

    async def _follow(self, heard: asyncio.Event) -> None:
        told = ""
        """The controller that knows that we demand keys."""
        settled = False
        async for view in self.controller.follow(self.own):
            if isinstance(view, Loads):
                self.fleet.hear(view)
                continue
            for origin in self.fleet.apply(view):
                self.http.forget(origin)
            self.relay.waking.look()
            self.roll.look(self.fleet.workers())
            heard.set()
            if view.settled and not settled:
                settled = True
                self._tell_missing()
            if not self.customers.open and view.controller != told:
                with suppress(TransportError):  # the next view comes soon
                    await self.controller.close_to_strangers()
                    told = view.controller

    def _tell_missing(self) -> None:
        """Once, in the log: they may come later, so it is no mistake yet."""
        there = {*self.fleet.models(), *self._expected}
        for route in self.routes.all():
            if missing := self.routes.missing(route, there):
                fields = {"route": route.name, "missing": ", ".join(missing)}
                log.warning("a route leads to models that are not there", extra=fields)

    def _models(self) -> set[str]:
        return set(offered(self.fleet, self.routes))
