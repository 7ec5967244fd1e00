"""How answers are framed, and what becomes of the connection after them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.web.asgi import ASGIApp, Receive, Scope, Send
from tests.web.http1.apps import START, Stage, echo, piece, says, start
from tests.web.http1.talk import GET, Server, settle, talk

HEAD = GET.replace(b"GET", b"HEAD")


OLD = b"GET / HTTP/1.0\r\n\r\n"


OLD_KEPT = b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"


CLOSE = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


WHOLE = says(start(200, (b"content-length", b"2")), piece(b"ok"))


STREAM = says(START, piece(b"one", more=True), piece(b"", more=True), piece(b"two"))


async def test_a_whole_answer_is_written_at_once() -> None:
    client = talk(WHOLE)
    assert await client.say(GET) == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    assert len(client.transport.writes) == 1


async def test_an_answer_in_one_piece_gets_its_length() -> None:
    client = talk(says(START, piece(b"whole")))
    assert await client.say(GET) == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole"
    assert len(client.transport.writes) == 1


async def test_a_stream_is_sent_in_chunks_each_in_one_write() -> None:
    client = talk(STREAM)
    await client.say(GET)
    assert client.transport.writes == [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n",
        b"3\r\ntwo\r\n0\r\n\r\n",
    ]


async def test_the_head_of_a_stream_does_not_wait_for_its_first_event() -> None:
    stage = Stage()
    client = talk(stage.streaming)
    assert await client.say(GET) == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    stage.go.set()
    await settle()
    assert client.said.endswith(b"\r\n\r\n3\r\none\r\n0\r\n\r\n")


async def test_large_pieces_are_whole_too() -> None:
    large = b"x" * 200_000
    client = talk(says(START, piece(large, more=True), piece(b"")))
    assert (await client.say(GET)).endswith(b"\r\n\r\n30d40\r\n" + large + b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("body", [bytearray(b"abc"), memoryview(b"abc")])
async def test_other_buffers_are_bytes_too(body: Any) -> None:
    client = talk(says(START, piece(body)))
    assert (await client.say(GET)).endswith(b"content-length: 3\r\n\r\nabc")


async def test_a_kept_connection_serves_one_request_after_the_other() -> None:
    server = Server(WHOLE)
    client = server.connect()
    for number in range(1, 4):
        await client.say(GET)
        assert client.said.count(b"HTTP/1.1 200 OK") == number
    assert not client.transport.closing
    assert server.state.total_requests == 3


@pytest.mark.parametrize("request_", [CLOSE, OLD])
async def test_a_client_that_wants_no_more_is_told_and_left(request_: bytes) -> None:
    client = talk(WHOLE)
    assert b"\r\nconnection: close\r\n" in await client.say(request_)
    assert client.transport.closing


async def test_an_application_can_close_too() -> None:
    client = talk(says(start(200, (b"connection", b"close")), piece(b"")))
    said = await client.say(GET)
    assert said.count(b"connection: close") == 1
    assert client.transport.closing


async def test_an_old_client_can_keep_its_connection() -> None:
    client = talk(WHOLE)
    await client.say(OLD_KEPT)
    assert b"\r\nconnection: keep-alive\r\n" in await client.say(OLD_KEPT)
    assert client.said.count(b"200 OK") == 2
    assert not client.transport.closing


@pytest.mark.parametrize("request_", [GET, HEAD, OLD, OLD_KEPT])
@pytest.mark.parametrize("app", [STREAM, WHOLE, says()])
async def test_an_application_that_changes_its_scope_is_framed_the_same(
    request_: bytes, app: ASGIApp
) -> None:
    async def changing(scope: Scope, receive: Receive, send: Send) -> None:
        scope["http_version"] = "1.0" if scope["http_version"] == "1.1" else "1.1"
        scope["method"] = "GET" if scope["method"] == "HEAD" else "HEAD"
        await app(scope, receive, send)

    client, other = talk(changing), talk(app)
    assert await client.say(request_) == await other.say(request_)
    assert client.transport.closing == other.transport.closing


@pytest.mark.parametrize("request_", [OLD, OLD_KEPT])
async def test_a_stream_to_an_old_client_ends_with_the_connection(request_: bytes) -> None:
    client = talk(STREAM)
    assert await client.say(request_) == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nonetwo"
    assert client.transport.closing and not client.transport.aborted


@pytest.mark.parametrize(
    "app", [WHOLE, STREAM, says(start(200, (b"content-length", b"7")), piece(b""))]
)
async def test_head_has_no_body(app: ASGIApp) -> None:
    client = talk(app)
    for number in range(1, 3):
        said = await client.say(HEAD)
        assert said.count(b"HTTP/1.1 200 OK\r\n") == said.count(b"\r\n\r\n") == number
        assert said.endswith(b"\r\n\r\n")
        assert b"transfer-encoding" not in said


@pytest.mark.parametrize("status", [204, 304])
async def test_some_statuses_have_no_body(status: int) -> None:
    client = talk(says(start(status, (b"etag", b'"x"')), piece(b"ignored")))
    said = await client.say(GET)
    assert said.endswith(b'\r\netag: "x"\r\n\r\n')
    assert not client.transport.closing


async def test_headers_for_every_answer_are_the_servers() -> None:
    server = Server(WHOLE)
    server.state.default_headers = [(b"server", b"shortline")]
    said = await server.connect().say(GET)
    assert said.startswith(b"HTTP/1.1 200 OK\r\nserver: shortline\r\ncontent-length: 2\r\n")


async def test_work_after_the_answer_does_not_hold_up_the_next_request() -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await WHOLE(scope, receive, send)
        await go.wait()

    server = Server(app)
    client = server.connect()
    await client.say(GET)
    await client.say(GET)
    assert client.said.count(b"200 OK") == 2
    assert len(server.state.tasks) == 2
    go.set()
    await settle()
    assert not server.state.tasks


async def test_the_scope_is_what_asgi_says() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await WHOLE(scope, receive, send)

    server = Server(app, root_path="/root", app_state={"db": 1})
    await server.connect().say(
        b"PATCH /a%20b?c=%20d HTTP/1.1\r\nHost: a\r\nX-Y:  v \r\nx-y: w\r\n\r\n"
    )
    scope = seen[0]
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("10.0.0.1", 80),
        "client": ("10.0.0.9", 1234),
        "scheme": "http",
        "method": "PATCH",
        "root_path": "/root",
        "path": "/root/a b",
        "raw_path": b"/root/a%20b",
        "query_string": b"c=%20d",
        "headers": ((b"host", b"a"), (b"x-y", b"v"), (b"x-y", b"w")),
        "state": {"db": 1},
    }
    assert scope["state"] is not server.app_state


async def test_every_request_is_echoed_as_it_was() -> None:
    said = await talk(echo).say(b"POST /p?q HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc")
    assert b'{"method":"POST","path":"/p","query":"q"' in said
    assert said.endswith(b'"body":"abc"}')
