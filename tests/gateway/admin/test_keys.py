from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from server.gateway.admin.keys import KeysAdmin
from server.gateway.customers.customers import Customers
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from server.web.drain import Drain
from server.web.edge import Edge
from tests.fakes.clock import ManualClock
from tests.fakes.live_server import live_server

CONFIGURED = "sk-configured"


@asynccontextmanager
async def served(
    file: Path, clock: ManualClock, *, admin: bool = True
) -> AsyncIterator[tuple[httpx.AsyncClient, Customers]]:
    """A client with an administrator's key, or without any."""
    own = Ledger.open(file)
    customers = Customers(own, clock=clock)
    headers = {}
    if admin:
        _, text = own.create_key(NewKey(name="boss", admin=True), clock.wall())
        headers["authorization"] = f"Bearer {text}"
        clock.advance(1)
    async with customers.running():
        edge = Edge(KeysAdmin(own, customers, clock), Drain(), (customers.check,))
        async with (
            live_server(edge) as url,
            httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client,
        ):
            yield client, customers


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data/ledger.db"


async def test_a_key_is_made_used_and_revoked(file: Path, clock: ManualClock) -> None:
    wish = {
        "name": "王",
        "models": ["m", "a"],
        "requests_per_minute": 5,
        "tokens_per_day": 100,
        "lane": "batch",
        "expires": int(clock.wall()) + 600,
    }
    async with served(file, clock) as (client, customers):
        made = await client.post("/admin/keys", json=wish)
        assert made.status_code == 201
        assert made.headers["cache-control"] == "no-store"
        key = made.json()
        text = key.pop("key")
        assert key == {
            "object": "key",
            "id": key["id"],
            "name": "王",
            "shown": text[:12],
            "state": "active",
            "models": ["a", "m"],
            "requests_per_minute": 5,
            "tokens_per_minute": None,
            "parallel": None,
            "tokens_per_day": 100,
            "tokens_today": 0,
            "lane": "batch",
            "admin": False,
            "created": int(clock.wall()),
            "expires": wish["expires"],
            "revoked": None,
        }
        as_customer = {"authorization": f"Bearer {text}"}
        assert (await client.get("/admin/keys", headers=as_customer)).status_code == 403
        known = customers._by_id[key["id"]].key
        with await customers.admit(known, "m", "normal", 50) as grant:
            grant.settle(30, 10)
        listed = (await client.get("/admin/keys")).json()
        assert [(x["name"], x["tokens_today"]) for x in listed["data"]] == [
            ("boss", None),
            ("王", 40),
        ]
        gone = await client.delete(f"/admin/keys/{key['id']}")
        assert (gone.status_code, gone.json()["state"]) == (200, "revoked")
        assert (await client.get("/admin/keys", headers=as_customer)).status_code == 401
        assert (await client.delete(f"/admin/keys/{key['id']}")).json() == gone.json()
        usage = (await client.get("/admin/usage?days=1")).json()["data"]
        assert usage == [
            {
                "object": "usage",
                "day": "2023-11-14",
                "key": key["id"],
                "name": "王",
                "model": "m",
                "requests": 1,
                "failed": 0,
                "prompt_tokens": 30,
                "completion_tokens": 10,
                "assumed_tokens": 0,
            }
        ]


async def test_no_answer_but_the_first_shows_a_key(file: Path, clock: ManualClock) -> None:
    async with served(file, clock) as (client, _):
        text = (await client.post("/admin/keys", json={"name": "a"})).json()["key"]
        again = await client.post("/admin/keys", json={"name": "a"})
        assert (again.status_code, again.json()["error"]["param"]) == (409, "name")
        for path in ("/admin/keys", "/admin/usage"):
            shown = (await client.get(path)).text
            assert text[12:] not in shown and "digest" not in shown


CALLS = [
    ("GET", "/admin/keys"),
    ("POST", "/admin/keys"),
    ("DELETE", "/admin/keys/key-1"),
    ("GET", "/admin/usage"),
    ("PUT", "/admin/keys"),
    ("GET", "/admin/keysx"),
]


async def test_an_open_port_has_no_administrators(file: Path, clock: ManualClock) -> None:
    async with served(file, clock, admin=False) as (client, _):
        for method, path in CALLS:
            answer = await client.request(method, path)
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == "admin_key_required"


async def test_only_an_administrators_key_will_do(file: Path, clock: ManualClock) -> None:
    own = Ledger.open(file)
    customers = Customers(own, [SecretStr(CONFIGURED)], clock=clock)
    _, text = own.create_key(NewKey(name="a"), clock.wall())
    async with customers.running():
        edge = Edge(KeysAdmin(own, customers, clock), Drain(), (customers.check,))
        async with live_server(edge) as url, httpx.AsyncClient(trust_env=False) as client:
            for key, status in ((CONFIGURED, 403), (text, 403), ("sk-other", 401)):
                headers = {"authorization": f"Bearer {key}"}
                for method, path in CALLS:
                    answer = await client.request(method, url + path, headers=headers)
                    assert answer.status_code == status
        assert len(own.all_keys()) == 1


NO_WISHES = [
    b"",
    b"[]",
    b'"a"',
    b"{}",
    b'{"name": 1}',
    b'{"name": ""}',
    b'{"name": "a", "name": "b"}',
    b'{"name": "a\\u0000"}',
    b'{"name": "\\ud800"}',
    b'{"name": "\xff"}',
    b'{"name": "a", "parallel": true}',
    b'{"name": "a", "parallel": 0}',
    b'{"name": "a", "parallel": 1.0}',
    b'{"name": "a", "parallel": 1e999}',
    b'{"name": "a", "parallel": NaN}',
    b'{"name": "a", "tokens_per_day": -1}',
    b'{"name": "a", "tokens_per_day": 99999999999999999999}',
    b'{"name": "a", "admin": "yes"}',
    b'{"name": "a", "models": [[]]}',
    b'{"name": "a", "expires": 1}',
    b'{"name": "a", "id": "key-1"}',
    b'{"name": "a", "revoked": null}',
    b'{"name": "a"} x',
]


async def test_a_wish_that_makes_no_sense_is_400_and_changes_nothing(
    file: Path, clock: ManualClock
) -> None:
    headers = {"content-type": "application/json"}
    async with served(file, clock) as (client, _):
        for body in NO_WISHES:
            answer = await client.post("/admin/keys", content=body, headers=headers)
            assert answer.status_code == 400, body
            assert answer.json()["error"]["type"] == "invalid_request_error"
        assert len((await client.get("/admin/keys")).json()["data"]) == 1


async def test_a_body_of_another_kind_or_too_large_is_refused(
    file: Path, clock: ManualClock
) -> None:
    async with served(file, clock) as (client, _):
        for headers in ({"content-type": "text/plain"}, {}):
            answer = await client.post("/admin/keys", content=b'{"name": "a"}', headers=headers)
            assert answer.status_code == 415
        huge: dict[str, Any] = {"name": "x" * 100_000}
        assert (await client.post("/admin/keys", json=huge)).status_code == 413


NOT_REVOKED = {
    "/admin/keys/": 404,
    "/admin/keys/boss": 404,
    "/admin/keys/key-0": 404,
    "/admin/keys/key-%00": 404,
    "/admin/keys/key-%ED%A0%80": 404,
    "/admin/keys/key-%27%20OR%201=1": 404,
    "/admin/keys": 405,
    "/admin/usage": 405,
}


async def test_only_a_key_of_that_id_is_revoked(file: Path, clock: ManualClock) -> None:
    async with served(file, clock) as (client, _):
        for path, status in NOT_REVOKED.items():
            assert (await client.delete(path)).status_code == status, path
        assert [x["state"] for x in (await client.get("/admin/keys")).json()["data"]] == ["active"]


NO_DAYS = ["0", "401", "-1", "1.5", "", "1&days=2", "٣", "9" * 5000, "1&x=1", "%00", "1%20"]


async def test_days_are_a_whole_number(file: Path, clock: ManualClock) -> None:
    async with served(file, clock) as (client, _):
        for query in (*(f"days={days}" for days in NO_DAYS), "day=1"):
            answer = await client.get(f"/admin/usage?{query}")
            assert answer.status_code == 400, query
            assert answer.json()["error"]["param"] == "days"


async def test_usage_is_that_of_the_days_asked_for(file: Path, clock: ManualClock) -> None:
    async with served(file, clock) as (client, customers):
        for _ in range(10):
            with await customers.admit(None, "m", "normal", 5) as grant:
                grant.settle(1, 1)
            clock.advance(86_400)
        clock.advance(-86_400)
        for query, days in (("", 7), ("?days=1", 1), ("?days=400", 10)):
            found = (await client.get(f"/admin/usage{query}")).json()["data"]
            assert len(found) == days
            assert {(x["key"], x["name"]) for x in found} == {("nobody", "nobody")}
