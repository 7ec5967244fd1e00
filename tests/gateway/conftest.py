"""A real gateway on a real port, in front of scriptable workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from pydantic import SecretStr

from server.clients.http import HTTPClient
from server.core.settings import GatewaySettings
from server.gateway.admission import key_or_secret
from server.gateway.app import Gateway
from server.gateway.fastchat.upstream import FastChatUpstream
from server.gateway.fleet import Fleet
from server.gateway.relay import Relay
from server.gateway.routes import Routes
from server.web.drain import Drain
from server.web.edge import Edge, known_host
from server.wire.fleet import FleetView, WorkerView
from tests.fakes.live_server import live_server

SECRET = SecretStr("s" * 32)


@dataclass(slots=True)
class Served:
    url: str
    fleet: Fleet
    drain: Drain
    client: httpx.AsyncClient


def view(address: str, **changes: object) -> WorkerView:
    fields = {
        "address": address,
        "generation": "g1",
        "models": ("m",),
        "abilities": ("chat", "completions", "embeddings"),
        "slots": 2,
        "queue": 2,
    }
    return WorkerView.model_validate(fields | changes)


@asynccontextmanager
async def gateway(
    *workers: WorkerView, settings: GatewaySettings | None = None, expected: tuple[str, ...] = ()
) -> AsyncIterator[Served]:
    settings = settings or GatewaySettings()
    fleet, drain, http = Fleet("gw", expected=expected), Drain(), HTTPClient(connect_s=1)
    fleet.apply(FleetView(workers=workers))
    routes = Routes(settings.routes)
    relay = Relay(fleet, routes, http, FastChatUpstream(httpx.AsyncClient()), drain, SECRET, "gw")
    checks = (known_host(settings), key_or_secret(settings.api_keys, SECRET))
    edge = Edge(Gateway(relay, fleet, routes, created=1), drain, checks, ready=fleet.missing)
    async with (
        live_server(edge) as url,
        httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as client,
    ):
        yield Served(url, fleet, drain, client)
    http.close()


@pytest.fixture
def ask() -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": "你好"}]}
