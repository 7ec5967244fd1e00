"""A real gateway on a real port, in front of scriptable workers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from pydantic import SecretStr

from server.core.clock import SystemClock
from server.core.settings import GatewaySettings, JoinedServer
from server.gateway.app import edge_of
from server.gateway.fleet import Fleet
from server.gateway.parts import Parts
from server.web.drain import Drain
from server.wire.fleet import FleetView, WorkerView
from server.wire.process import GatewayProcess, Join, Leave
from tests.fakes.live_server import live_server

SECRET = SecretStr("s" * 32)


@dataclass(slots=True)
class Served:
    url: str
    fleet: Fleet
    drain: Drain
    client: httpx.AsyncClient
    parts: Parts


def view(address: str, **changes: object) -> WorkerView:
    fields = {
        "address": address,
        "generation": "g1",
        "models": ("m",),
        "abilities": ("chat", "completions", "embeddings", "rerank"),
        "slots": 2,
        "queue": 2,
    }
    return WorkerView.model_validate(fields | changes)


@asynccontextmanager
async def gateway(
    *workers: WorkerView,
    settings: GatewaySettings | None = None,
    servers: tuple[JoinedServer, ...] = (),
    expected: tuple[str, ...] = (),
    ledger_file: str = "",
    joined_file: str = "",
    say: Callable[[Join | Leave], None] = lambda wish: None,
    id: str = "gw",
) -> AsyncIterator[Served]:
    process = GatewayProcess(
        name=f"openai_api {id}",
        secret=SECRET,
        controller_url="http://127.0.0.1:9",
        gateway=settings or GatewaySettings(),
        expected_models=expected,
        ledger_file=ledger_file,
        joined_file=joined_file,
        servers=servers,
        taken_names=("openai",),
    )
    drain, clock = Drain(), SystemClock()
    parts = Parts(process, drain, "", clock, id=id)
    parts.fleet.apply(FleetView(workers=workers))
    async with (
        parts.customers.running(),
        live_server(edge_of(parts, process, drain, clock, say)) as url,
        httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as client,
    ):
        yield Served(url, parts.fleet, drain, client, parts)
    await parts.aclose()


@pytest.fixture
def ask() -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": "你好"}]}
