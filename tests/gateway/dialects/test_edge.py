from __future__ import annotations

import pytest

from server.gateway.dialects.edge import DialectEdge
from server.web.asgi import Receive, Scope, Send, send_json
from server.web.drain import Drain
from tests.fakes.live_server import live_server
from tests.fakes.raw_client import raw_client


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"].endswith("fails"):
        raise ValueError("nobody has thought of it")
    await send_json(send, {"path": scope["path"]})


async def ask(url: str, path: str, *more: str) -> tuple[int, dict[str, str], bytes]:
    async with raw_client(url) as client:
        lines = [f"GET {path} HTTP/1.1", "host: localhost", *more, "", ""]
        client.say("\r\n".join(lines).encode())
        answer = await client.answer()
    return answer.status, answer.headers, answer.body


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/x"])
async def test_an_answer_has_its_id_under_both_names_and_is_else_unchanged(path: str) -> None:
    async with live_server(DialectEdge(app, Drain())) as url:
        status, headers, body = await ask(url, path, "x-request-id: mine")
    assert (status, body) == (200, b'{"path":"%b"}' % path.encode())
    assert headers["request-id"] == headers["x-request-id"] == "mine"


async def test_other_paths_are_none_of_its_business() -> None:
    async with live_server(DialectEdge(app, Drain())) as url:
        _, headers, _ = await ask(url, "/v1/models")
        assert "request-id" not in headers
        status, _, body = await ask(url, "/fails")
    assert status == 500
    assert body.startswith(b'{"error":')


async def test_what_nobody_has_thought_of_is_told_in_the_dialect_too() -> None:
    async with live_server(DialectEdge(app, Drain())) as url:
        status, headers, body = await ask(url, "/v1/messages/fails")
    assert status == 500
    assert body.startswith(b'{"type":"error","error":{"type":"api_error"')
    assert headers["x-content-type-options"] == "nosniff"


async def test_a_server_that_ends_says_so_in_the_dialect() -> None:
    drain = Drain()
    async with live_server(DialectEdge(app, drain)) as url:
        await drain.finish(0)
        status, _, body = await ask(url, "/v1/messages")
    assert status == 503
    assert b'"overloaded_error"' in body
