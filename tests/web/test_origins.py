from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr

from server.web.asgi import Receive, Scope, Send, send_json
from server.web.drain import Drain
from server.web.edge import Edge, internal_secret
from server.web.origins import Origins
from tests.fakes.live_server import live_server

PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}


async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send_json(send, {"ok": True})


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    checks = [internal_secret(SecretStr("Bearer k"), header_name="authorization")]
    edge = Edge(app, Drain(), checks, origins=Origins(["https://a.org"]))
    async with live_server(edge) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        client.headers["authorization"] = "Bearer k"
        yield client


@pytest.mark.parametrize(
    "origin", ["http://localhost:7861", "http://127.0.0.1:7861", "http://[::1]", "https://a.org"]
)
async def test_a_known_page_may_call_and_read(http: httpx.AsyncClient, origin: str) -> None:
    answer = await http.post("/", headers={"origin": origin})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["vary"] == "origin"


@pytest.mark.parametrize(
    "origin",
    [
        "https://a.org.evil.example",
        "http://127.0.0.1.evil.example",
        "https://evil.example",
        "http://a.org",
        "null",
        "http://[x",
        "",
    ],
)
async def test_any_other_page_is_refused(http: httpx.AsyncClient, origin: str) -> None:
    for method, more in (("POST", {}), ("OPTIONS", PREFLIGHT)):
        answer = await http.request(method, "/", headers={"origin": origin} | more)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "bad_origin")
        assert "access-control-allow-origin" not in answer.headers


async def test_a_preflight_needs_no_key_and_lets_the_headers_through(
    http: httpx.AsyncClient,
) -> None:
    del http.headers["authorization"]
    headers = {"origin": "https://a.org"} | PREFLIGHT
    answer = await http.options("/v1/models", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type"
    assert answer.headers["access-control-allow-origin"] == "https://a.org"


async def test_an_error_can_be_read_by_the_page_too(http: httpx.AsyncClient) -> None:
    del http.headers["authorization"]
    answer = await http.post("/", headers={"origin": "https://a.org"})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "https://a.org"


async def test_a_program_without_an_origin_sees_none_of_it(http: httpx.AsyncClient) -> None:
    answer = await http.post("/")
    assert not [name for name in answer.headers if name.startswith("access-control")]
