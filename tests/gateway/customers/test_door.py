"""Keys at the door, as clients offer them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
from pydantic import SecretStr

from server.gateway.customers.customers import Customers
from server.web.asgi import Receive, Scope, Send, send_json
from server.web.drain import Drain
from server.web.edge import Edge
from tests.fakes.clock import ManualClock
from tests.fakes.live_server import live_server


async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send_json(send, {"ok": True})


@asynccontextmanager
async def served(keys: Sequence[str]) -> AsyncIterator[httpx.AsyncClient]:
    customers = Customers(None, [SecretStr(key) for key in keys], clock=ManualClock())
    edge = Edge(app, Drain(), [customers.check])
    async with live_server(edge) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        yield client


async def test_a_key_is_demanded_once_there_is_one() -> None:
    async with served([]) as open_port:
        assert (await open_port.get("/")).status_code == 200
    async with served(["k1", "k2"]) as http:
        for wrong in ({}, {"authorization": "Bearer k"}, {"authorization": "Basic k1"}):
            answer = await http.get("/", headers=wrong)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        assert (await http.get("/?key=k1")).status_code == 401
        assert (await http.get("/", headers={"authorization": "bearer k2"})).status_code == 200


async def test_an_empty_key_opens_nothing() -> None:
    async with served([""]) as http:
        for offer in ({}, {"authorization": "Bearer"}, {"authorization": "Basic x"}):
            assert (await http.get("/", headers=offer)).status_code == 401
