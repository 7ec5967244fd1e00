"""One online provider as a worker of the fleet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from server.clients.fleet import ControllerClient
from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.core.errors import MethodNotAllowed, NotFound, StartError, Unavailable
from server.core.ids import name_here
from server.core.limits import RETRY_AFTER_S
from server.core.provider_settings import ProviderSettings
from server.web.asgi import ASGIApp, Receive, Scope, Send
from server.web.background import kept_running
from server.web.drain import Drain
from server.web.edge import Edge, internal_secret
from server.web.lifespan import with_lifespan
from server.wire.fleet import SECRET_HEADER, Registration
from server.wire.process import OnlineWorkerProcess, Report
from server.worker.heart import Heart
from server.worker.online.discovery import Names, until_found, upstream_names
from server.worker.online.provider import authorised
from server.worker.online.relay import PATHS, ProviderRelay
from server.worker.slots import Slots
from server.worker.standing import Standing

log = logging.getLogger(__name__)

QUEUE = 32
"""Requests that wait for one of the provider's slots."""
FIRST_ANSWER_S = 3.0
"""How long a provider may hold up our start; after that we start without it."""


def create_app(
    settings: OnlineWorkerProcess, drain: Drain, say: Callable[[Report], None], address: str
) -> ASGIApp:
    """It serves at once, and joins the fleet when the provider has told its models."""
    provider = settings.provider
    origin = origin_of(provider)
    http = HTTPClient(ask_again=False)
    slots = Slots(provider.slots, QUEUE)
    online = OnlineWorker(say)
    standing = Standing(say)

    async def live() -> None:
        headers = authorised(provider, settings.api_key)
        names = await until_found(
            lambda: upstream_names(provider, http, origin, headers), online.wait_for, drain.begun
        )
        if names is not None:
            relay = ProviderRelay(provider, origin, settings.api_key, names, http, slots, drain)
            online.begin(relay)
            controller = ControllerClient(settings.controller_url, settings.secret)
            heart = Heart(
                controller,
                _registration(settings, names, address),
                slots.load,
                standing=standing,
                draining=settings.draining,
            )
            slots.changed = heart.stir
            async with heart.beating(drain.begun):
                await asyncio.Event().wait()
        await asyncio.Event().wait()

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with kept_running(live(), "speaking for the provider"):
            await online.first_answer(FIRST_ANSWER_S)
            yield
        http.close()

    checks = [internal_secret(settings.secret, header_name=SECRET_HEADER)]
    edge = Edge(online, drain, checks, ready=lambda: online.missing or standing.missing)
    return with_lifespan(edge, lifespan)


class OnlineWorker:
    """The paths of the API, once the provider's models are known."""

    def __init__(self, say: Callable[[Report], None] = lambda report: None) -> None:
        self.relay: ProviderRelay | None = None
        self.missing: str | None = "the provider's list of models"
        """What we wait for, in words."""
        self._say = say
        self._asked = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/tokenize":
            raise NotFound("An online provider counts no tokens for us.", param="model")
        if scope["path"] not in PATHS:
            raise NotFound("There is nothing at this path.")
        if scope["method"] != "POST":
            raise MethodNotAllowed("This path takes POST only.")
        if self.relay is None:
            raise Unavailable(
                "The provider has not told its models yet; try again shortly.",
                retry_after_s=RETRY_AFTER_S,
            )
        await self.relay.serve(scope, receive, send)

    def wait_for(self, what: str) -> None:
        """The provider is not there, for the reason that `what` ends in."""
        if what != self.missing:
            log.warning("waiting for the provider", extra={"reason": what})
            self._say(Report(state="waiting", detail=what))
        self.missing = what
        self._asked.set()

    def begin(self, relay: ProviderRelay) -> None:
        self.relay = relay
        self.missing = None
        self._say(Report(state="waiting"))
        self._asked.set()

    async def first_answer(self, limit_s: float) -> None:
        """Wait until the provider has answered or failed to, for `limit_s` at most."""
        try:
            async with asyncio.timeout(limit_s):
                await self._asked.wait()
        except TimeoutError:
            self.wait_for(f"no answer from the provider within {limit_s:g} s")


def origin_of(provider: ProviderSettings) -> Origin:
    """Raises `StartError` for an address that is none."""
    try:
        return Origin.parse(provider.base_url or "")
    except ValueError as error:
        raise StartError(f"the provider {provider.name}: {error}") from error


def _registration(settings: OnlineWorkerProcess, names: Names, address: str) -> Registration:
    provider = settings.provider
    return Registration(
        address=address,
        name=name_here(settings.name),
        models=tuple(names),
        abilities=provider.abilities,
        kind="online_api",
        speed=provider.speed,
        slots=provider.slots,
        queue=QUEUE,
    )
