from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import SecretStr

from server.core.errors import BadRequest, Overloaded
from server.core.settings import ServerSettings
from server.web.asgi import Receive, Scope, Send, read_body, send_json
from server.web.drain import Drain
from server.web.edge import (
    Check,
    Edge,
    internal_secret,
    known_host,
    request_id_of,
)
from tests.fakes.live_server import live_server
from tests.web.http1.talk import GET, Server, settle

SETTINGS = ServerSettings(port=0, allowed_hosts=("box.lan",))


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/boom":
        raise RuntimeError("a secret detail")
    if scope["path"] == "/full":
        raise Overloaded("full", retry_after_s=7)
    if scope["path"] == "/body":
        await read_body(scope, receive, 100)
    if scope["path"] == "/late":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise BadRequest("too late to say")
    await send_json(send, {"id": request_id_of(scope)})


@asynccontextmanager
async def served(
    *checks: Check, drain: Drain | None = None, missing: str | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    edge = Edge(app, drain or Drain(), checks, ready=lambda: missing)
    async with live_server(edge) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        yield http


async def test_a_well_formed_request_id_is_kept_and_any_other_replaced() -> None:
    async with served() as http:
        mine = await http.get("/", headers={"x-request-id": "abc-1"})
        assert mine.headers["x-request-id"] == mine.json()["id"] == "abc-1"
        for odd in ("a b", "x" * 129, "<script>", ""):
            other = await http.get("/", headers={"x-request-id": odd})
            assert other.headers["x-request-id"].startswith("req-")


async def test_an_error_is_json_with_its_id_and_retry_after() -> None:
    async with served() as http:
        answer = await http.get("/full")
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "7"
        assert answer.json()["error"] == {
            "message": "full",
            "type": "rate_limit_error",
            "param": None,
            "code": "overloaded",
            "request_id": answer.headers["x-request-id"],
        }


async def test_an_unforeseen_error_shows_no_detail() -> None:
    async with served() as http:
        answer = await http.get("/boom")
        assert answer.status_code == 500
        assert "secret detail" not in answer.text
        assert answer.headers["x-request-id"] in answer.json()["error"]["message"]


async def test_an_error_after_the_head_cuts_the_connection() -> None:
    async with served() as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/late")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:1234", 200),
        ("[::1]:80", 200),
        ("box.lan", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("", 400),
    ],
)
async def test_only_known_hosts_are_served(host: str, status: int) -> None:
    async with served(known_host(SETTINGS)) as http:
        assert (await http.get("/", headers={"host": host})).status_code == status


@pytest.mark.parametrize(
    ("bound", "host", "status"),
    [
        ("0.0.0.0", "192.168.7.7:20001", 200),
        ("0.0.0.0", "[fd00::5]:20001", 200),
        ("::", "192.168.7.7", 200),
        ("0.0.0.0", "Box.Lan:20001", 200),
        ("0.0.0.0", "evil.example:20001", 403),
        ("0.0.0.0", "192.168.7.7.evil.example", 403),
        ("0.0.0.0", "", 400),
        ("fd00::5", "[fd00::5]:20001", 200),
        ("fd00::5", "[FD00:0::5]", 200),
        ("fd00::5", "[fd00::6]", 403),
        ("192.168.7.7", "192.168.7.8", 403),
        ("Box.Local", "box.local:1", 200),
    ],
)
async def test_a_port_for_all_addresses_is_reached_by_any_of_them_and_by_known_names(
    bound: str, host: str, status: int
) -> None:
    settings = ServerSettings(host=bound, port=0, allowed_hosts=("BOX.lan",))
    async with served(known_host(settings)) as http:
        assert (await http.get("/", headers={"host": host})).status_code == status


async def test_the_secret_is_demanded_by_its_header() -> None:
    async with served(internal_secret(SecretStr("s"), header_name="x-s")) as http:
        assert (await http.get("/")).status_code == 401
        assert (await http.get("/", headers={"x-s": "t"})).status_code == 401
        assert (await http.get("/", headers={"x-s": "s"})).status_code == 200


async def test_health_needs_no_key_and_says_what_is_missing() -> None:
    async with served(
        internal_secret(SecretStr("k"), header_name="x-s"), missing="a worker"
    ) as http:
        assert (await http.get("/livez")).status_code == 200
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()["missing"]) == (503, "a worker")


async def test_a_draining_server_refuses_new_requests_and_is_not_ready() -> None:
    drain = Drain()
    async with served(drain=drain) as http:
        await drain.finish(patience_s=1)
        refused = await http.get("/")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (await http.get("/readyz")).status_code == 503


async def test_what_may_stay_open_does_not_hold_up_the_end() -> None:
    drain, go = Drain(), asyncio.Event()
    counts: list[int] = []

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        counts.append(drain.in_flight)
        await go.wait()
        await send_json(send, {})

    server = Server(Edge(waiting, drain, uncounted=frozenset({"/open"})))
    clients = [server.connect() for _ in range(3)]
    for client, path in zip(clients, (b"/open", b"/", b"/open"), strict=True):
        await client.say(GET.replace(b"/ ", path + b" "))
    assert counts == [0, 1, 1]
    go.set()
    await settle()
    assert all(b" 200 OK" in client.said for client in clients)
    assert drain.in_flight == 0


async def test_a_body_is_read_to_its_limit_and_not_further() -> None:
    async with served() as http:
        assert (await http.post("/body", content=b"x" * 100)).status_code == 200
        assert (await http.post("/body", content=b"x" * 101)).status_code == 413
        packed = await http.post("/body", content=b"x", headers={"content-encoding": "gzip"})
        assert packed.json()["error"]["code"] == "unsupported_encoding"
