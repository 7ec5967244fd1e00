"""The OpenAI-compatible API: one thin relay in front of the workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx

from server.clients.fleet import ControllerClient
from server.clients.http import HTTPClient
from server.core.clock import Clock, SystemClock
from server.core.errors import MethodNotAllowed, NotFound
from server.core.ids import new_id
from server.gateway.admission import OURS, key_or_secret
from server.gateway.asked import TOKENIZE
from server.gateway.fastchat.upstream import FastChatUpstream
from server.gateway.fleet import Fleet
from server.gateway.models import list_models, show_model
from server.gateway.relay import Relay
from server.gateway.routes import Routes
from server.web.asgi import ASGIApp, Receive, Scope, Send, send_json
from server.web.background import kept_running
from server.web.drain import Drain
from server.web.edge import Edge, known_host
from server.web.lifespan import with_lifespan
from server.web.origins import Origins
from server.wire.fleet import Ability
from server.wire.process import GatewayProcess

RELAYED: dict[str, Ability] = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
    TOKENIZE: "chat",
}
MODELS = "/v1/models"
QUEUE = f"{OURS}queue/"
STATS = f"{OURS}stats"
FIRST_VIEW_S = 3.0
"""Without a word from the controller for so long, it starts without one."""


def create_app(settings: GatewayProcess, drain: Drain, *, clock: Clock | None = None) -> ASGIApp:
    gateway_id = new_id("gw")
    fleet = Fleet(gateway_id, method=settings.dispatch, expected=settings.expected_models)
    http = HTTPClient()
    fastchat_http = httpx.AsyncClient(
        trust_env=False, follow_redirects=False, limits=httpx.Limits(max_connections=None)
    )
    routes = Routes(settings.gateway.routes)
    fastchat = FastChatUpstream(fastchat_http)
    relay = Relay(fleet, routes, http, fastchat, drain, settings.secret, gateway_id)
    gateway = Gateway(relay, fleet, routes, created=int((clock or SystemClock()).wall()))
    controller = ControllerClient(settings.controller_url, settings.secret)

    heard = asyncio.Event()

    async def follow() -> None:
        async for view in controller.watch():
            for origin in fleet.apply(view):
                http.forget(origin)
            heard.set()

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        try:
            async with kept_running(follow(), "following the fleet"):
                with suppress(TimeoutError):  # it serves nobody before it knows whom to ask
                    await asyncio.wait_for(heard.wait(), FIRST_VIEW_S)
                yield
        finally:
            http.close()
            await fastchat_http.aclose()
            await controller.aclose()

    origins = Origins(settings.gateway.allowed_origins)
    checks = (
        known_host(settings.gateway),
        key_or_secret(settings.gateway.api_keys, settings.secret),
    )
    return with_lifespan(
        Edge(gateway, drain, checks, origins=origins, ready=fleet.missing), lifespan
    )


class Gateway:
    """Routes by path; there are too few of them for a router."""

    def __init__(self, relay: Relay, fleet: Fleet, routes: Routes, created: int) -> None:
        self._relay = relay
        self._fleet = fleet
        self._routes = routes
        self._created = created

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        ability = RELAYED.get(path)
        if ability is not None:
            _only(scope, "POST")
            await self._relay.serve(ability, scope, receive, send)
        else:
            await send_json(send, self._tell(scope, path))

    def _tell(self, scope: Scope, path: str) -> Any:
        """What can be read. Raises `NotFound`."""
        if path != MODELS and not path.startswith((f"{MODELS}/", QUEUE)) and path != STATS:
            raise NotFound("There is nothing at this path; the API is at /v1.")
        _only(scope, "GET")
        if path == MODELS:
            return list_models(self._fleet, self._routes, self._created)
        if path == STATS:
            return self._fleet.stats()
        if path.startswith(QUEUE):
            return {"position": self._fleet.position(path.removeprefix(QUEUE))}
        name = path.removeprefix(f"{MODELS}/")
        return show_model(self._fleet, self._routes, name, self._created)


def _only(scope: Scope, method: str) -> None:
    if scope["method"] != method:
        raise MethodNotAllowed(f"This path takes {method} only.")
