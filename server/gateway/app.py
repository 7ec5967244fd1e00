"""The OpenAI-compatible API: one thin relay in front of the workers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from server.core.clock import Clock, SystemClock
from server.core.errors import Forbidden, MethodNotAllowed, NotFound
from server.gateway.admin.keys import KEYS, USAGE, KeysAdmin
from server.gateway.admin.routes import ROUTES, RoutesAdmin
from server.gateway.admin.servers import SERVERS, Say, ServersAdmin
from server.gateway.admission import key_or_secret
from server.gateway.asked import DETOKENIZE, TOKENIZE
from server.gateway.azure import AZURE, as_openai
from server.gateway.dialects.anthropic.messages import MESSAGES, Messages
from server.gateway.dialects.conversations.conversations import CONVERSATIONS, Conversations
from server.gateway.dialects.edge import DialectEdge
from server.gateway.dialects.responses.responses import RESPONSES, Responses
from server.gateway.dialects.via import CHAT
from server.gateway.fleet import Fleet
from server.gateway.models import MODELS, list_models, show_model, told_to
from server.gateway.ours import OURS
from server.gateway.parts import Parts
from server.gateway.routes import Routes
from server.gateway.sight.metrics import CONTENT_TYPE
from server.gateway.unrecorded import note_refusal
from server.ledger.key import Key
from server.web.asgi import JSON, ASGIApp, Receive, Scope, Send, header, send_json, send_whole
from server.web.drain import Drain
from server.web.edge import Edge, known_host
from server.web.lifespan import with_lifespan
from server.web.origins import Origins
from server.wire.fleet import FLEET_HEADER, Ability
from server.wire.process import GatewayProcess
from server.wire.rerank import OTHER_PATHS, RERANK

RELAYED: dict[str, Ability] = {
    CHAT: "chat",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
    RERANK: "rerank",
    TOKENIZE.decode(): "chat",
    DETOKENIZE.decode(): "completions",
}
METRICS = "/metrics"
OPENAPI = "/openapi.json"
Tell = Callable[[Fleet, Routes, int], dict[str, Any]]
_FLEET = FLEET_HEADER.encode()


def create_app(
    settings: GatewayProcess,
    drain: Drain,
    address: str = "",
    *,
    say: Say | None = None,
    clock: Clock | None = None,
) -> ASGIApp:
    """`address`: where the other gateways reach this one; `say`: to the launcher. Raises
    `StartError`."""
    clock = clock or SystemClock()
    parts = Parts(settings, drain, address, clock)
    gateway = Gateway(parts, settings, clock, say)
    return with_lifespan(_edge(gateway, parts, settings, drain), gateway.running)


def edge_of(
    parts: Parts, settings: GatewayProcess, drain: Drain, clock: Clock, say: Say | None = None
) -> Edge:
    """What a request meets first; `parts` must be running."""
    return _edge(Gateway(parts, settings, clock, say), parts, settings, drain)


def _edge(gateway: Gateway, parts: Parts, settings: GatewayProcess, drain: Drain) -> Edge:
    return DialectEdge(
        gateway,
        drain,
        (
            known_host(settings.gateway),
            key_or_secret(parts.customers, settings.secret),
        ),
        origins=Origins(settings.gateway.allowed_origins),
        ready=parts.fleet.missing,
        refused=partial(note_refusal, parts.sight),
        turned_away=parts.sight.turn_away,
    )


class Gateway:
    """Routes by path; there are too few of them for a router."""

    def __init__(
        self, parts: Parts, settings: GatewayProcess, clock: Clock, say: Say | None = None
    ) -> None:
        """`say`: what the launcher shall hear."""
        self._parts = parts
        self._relay = parts.relay
        self._created = int(clock.wall())
        self._responses = Responses(parts.relay, parts.archive, clock)
        self._apps: dict[str, ASGIApp] = {
            MESSAGES: Messages(parts.relay),
            RESPONSES: self._responses,
            CONVERSATIONS: Conversations(parts.archive, clock),
            "/v1/chat": parts.chats,
        }
        """By the first two names of a path: what answers it, and all that is below it."""
        if parts.ledger is not None:
            keys = KeysAdmin(parts.ledger, parts.customers, clock)
            routes = RoutesAdmin(parts.ledger, parts.customers, parts.routes, parts.fleet.models)
            self._apps |= {KEYS: keys, USAGE: keys, ROUTES: routes}
            if say is not None and settings.joined_file:
                self._apps[SERVERS] = ServersAdmin(settings, parts.fleet, parts.http, say)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """All of its parts are."""
        async with self._parts.running():
            try:
                yield
            finally:
                await self._responses.close()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path: str = scope["path"]
        ability = RELAYED.get(path)
        if ability is not None:
            if scope["method"] == "POST":
                return self._relay.serve(ability, scope, receive, send)
            if path != CHAT:
                raise MethodNotAllowed("POST")
        if path in OTHER_PATHS:
            return self({**scope, "path": RERANK}, receive, send)
        if path.startswith(AZURE):
            return self(as_openai(scope), receive, send)
        app = self._apps.get("/".join(path.split("/", 3)[:3]))
        if app is not None:
            return app(scope, receive, send)
        return self._tell(path, scope, send)

    async def _tell(self, path: str, scope: Scope, send: Send) -> None:
        """What can be read. Raises `NotFound`."""
        if path not in (MODELS, METRICS, OPENAPI) and not path.startswith((f"{MODELS}/", OURS)):
            raise NotFound("There is nothing at this path; the API is at /v1.")
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed("GET", "HEAD")
        parts = self._parts
        if path == METRICS:
            _may_see_all(scope["state"].get("key"))
            text = await parts.ours.metrics()
            await send_whole(send, 200, [(b"content-type", CONTENT_TYPE)], text)
        elif path == OPENAPI:
            await send_whole(send, 200, [JSON], _described())
        elif path.startswith(OURS):
            await send_json(send, await parts.ours.tell(path))
        else:
            tell = list_models if header(scope, _FLEET) is None else told_to
            await send_json(send, self._models(path, scope["state"].get("key"), tell))

    def _models(self, path: str, key: Key | None, tell: Tell) -> object:
        """Those that are there for `key`. Raises `ModelNotFound`."""
        parts = self._parts
        listed = tell(parts.fleet, parts.routes, self._created)
        mine = [model for model in listed["data"] if parts.customers.allows(key, model["id"])]
        if path == MODELS:
            return listed | {"data": mine}
        return show_model(mine, path.removeprefix(f"{MODELS}/"))


def _may_see_all(key: Key | None) -> None:
    """Raises `Forbidden` for a key to which the other models do not exist."""
    if key is not None and key.limits.models is not None:
        raise Forbidden("A key that is held to some models may not read the metrics of all.")


def _described() -> bytes:
    """The models behind it are a megabyte that few gateways are ever asked for."""
    from server.gateway.openapi.document import document_bytes

    return document_bytes()
