"""Routes that an administrator changes while the gateway runs."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from server.core.settings import RouteSettings
from server.gateway.admin.routes import RoutesAdmin, follow
from server.gateway.customers.customers import Customers
from server.gateway.routes import Routes
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from server.web.drain import Drain
from server.web.edge import Edge
from tests.fakes.clock import ManualClock
from tests.fakes.live_server import live_server


def route(name: str, *to: str) -> RouteSettings:
    return RouteSettings.model_validate({"name": name, "to": list(to)})


@asynccontextmanager
async def served(
    file: Path, *configured: RouteSettings, models: Collection[str] = ("m",)
) -> AsyncIterator[tuple[httpx.AsyncClient, Routes]]:
    """A client with an administrator's key of its own, and the routes that it changes."""
    clock = ManualClock()
    own, routes = Ledger.open(file), Routes(configured)
    customers = Customers(own, clock=clock, routed=partial(follow, routes))
    _, text = own.create_key(NewKey(name=f"boss {len(own.all_keys())}", admin=True), clock.wall())
    headers = {"authorization": f"Bearer {text}"}
    async with customers.running():
        admin = RoutesAdmin(own, customers, routes, lambda: models)
        async with (
            live_server(Edge(admin, Drain(), (customers.check,))) as url,
            httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client,
        ):
            yield client, routes


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def refused(client: httpx.AsyncClient, name: str, to: str) -> str:
    answer = await client.put(f"/admin/routes/{name}", json={"to": to})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "route_circle")
    message: str = answer.json()["error"]["message"]
    return message


async def test_models_that_are_not_there_are_named_in_the_answer_and_in_the_log(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(file, route("best", "big"), models=("m", "c")) as (client, _):
        body = {"to": ["m", "b", "best"], "fallback": ["c"]}
        answer = await client.put("/admin/routes/r", json=body)
        assert answer.status_code == 200
        assert answer.json() == {
            "name": "r",
            "to": [{"model": model, "weight": 1.0} for model in ("m", "b", "best")],
            "fallback": ["c"],
            "set_by": "admin",
            "missing": ["b", "big"],
        }
        listed = (await client.get("/admin/routes")).json()["data"]
        assert {one["name"]: one["missing"] for one in listed} == {
            "best": ["big"],
            "r": ["b", "big"],
        }
    (told,) = [line for line in caplog.records if "route set" in line.message]
    assert (told.levelno, told.__dict__["missing"]) == (logging.WARNING, "b, big")


async def test_where_all_is_there_nothing_is_missing(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with served(file) as (client, _):
        answer = await client.put("/admin/routes/r", json={"to": "m"})
        assert answer.json()["missing"] == []
    (told,) = [line for line in caplog.records if "route set" in line.message]
    assert told.levelno == logging.INFO


async def test_a_circle_is_refused_with_its_way_in_the_names_as_they_are(file: Path) -> None:
    async with served(file, route("A", "B")) as (client, routes):
        assert await refused(client, "B", "A") == "Routes lead in a circle: A > B > A."
        assert await refused(client, "C", "C") == "The route C stands for nothing but itself."
        assert [one.name for one in routes.all()] == ["A"]


async def test_a_circle_with_what_another_gateway_has_just_set_is_refused(file: Path) -> None:
    async with served(file) as (client, _), served(file) as (other, _):
        assert (await client.put("/admin/routes/a", json={"to": "b"})).is_success
        await refused(other, "b", "a")


async def test_a_route_that_keeps_others_from_a_circle_is_not_deleted(file: Path) -> None:
    async with served(file, route("a", "b")) as (client, routes):
        assert (await client.put("/admin/routes/a", json={"to": "m"})).is_success
        assert (await client.put("/admin/routes/b", json={"to": "a"})).is_success
        answer = await client.delete("/admin/routes/a")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "route_circle")
        assert routes.models_for("b") == ("m",)
        assert (await client.delete("/admin/routes/b")).is_success
        assert (await client.delete("/admin/routes/a")).is_success


async def test_one_route_in_the_ledger_that_makes_no_sense_leaves_the_others() -> None:
    routes = Routes()
    found = {"a": ["m"], "b": ["b"], "c": ["d"], "d": ["c"]}
    follow(routes, {name: json.dumps({"name": name, "to": to}) for name, to in found.items()})
    assert [one.name for one in routes.all()] == ["a", "c"]
