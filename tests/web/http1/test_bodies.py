"""Request bodies: framing, pace, and who has to wait for whom."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.core.errors import SlowRequest
from server.core.limits import UNREAD_BYTES
from server.web.asgi import Receive, Scope, Send
from tests.web.http1.apps import echo, piece, start, whole_body
from tests.web.http1.talk import CHUNKED, GET, POST, Server, echoed, settle, sized, talk


@pytest.mark.parametrize(
    "request_",
    [
        sized(b"hello"),
        CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"1\r\nh\r\n04;x=y\r\nello\r\n0\r\ntrailer: no header\r\n\r\n",
    ],
)
async def test_a_body_is_the_same_however_it_is_framed(request_: bytes) -> None:
    client = talk(echo)
    (said,) = echoed(await client.say(request_))
    assert said["body"] == "hello"
    assert not [header for header in said["headers"] if header.startswith("trailer")]
    assert len(echoed(await client.say(GET))) == 2


async def test_a_body_comes_as_it_comes() -> None:
    seen: list[dict[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while not seen or seen[-1]["more_body"]:
            seen.append(dict(await receive()))
        await echo(scope, receive, send)

    client = talk(app)
    await client.say(POST + b"content-length: 4\r\n\r\n", b"ab", b"cd")
    assert [message["body"] for message in seen] == [b"ab", b"cd"]
    assert [message["more_body"] for message in seen] == [True, False]


async def test_a_body_in_chunks_of_one_byte_is_fine() -> None:
    client = talk(echo)
    chunks = b"0000001\r\nx\r\n" * 20_000
    parts = [chunks[at : at + 5000] for at in range(0, len(chunks), 5000)]
    (said,) = echoed(await client.say(CHUNKED, *parts, b"0\r\n\r\n"))
    assert len(said["body"]) == 20_000


async def test_who_expects_to_be_told_is_told_once_the_body_is_wanted() -> None:
    client = talk(echo)
    said = await client.say(POST + b"content-length: 2\r\nexpect: 100-continue\r\n\r\n")
    assert said == b"HTTP/1.1 100 Continue\r\n\r\n"
    said = await client.say(b"ok")
    assert said.count(b"HTTP/1.1 100") == 1
    assert echoed(said.partition(b"\r\n\r\n")[2])[0]["body"] == "ok"
    assert not client.transport.closing


async def test_who_expects_to_be_told_and_does_not_wait_is_not_told() -> None:
    client = talk(echo)
    said = await client.say(POST + b"content-length: 2\r\nexpect: 100-continue\r\n\r\nok")
    assert echoed(said)[0]["body"] == "ok"


async def test_who_expects_to_be_told_may_be_refused_instead() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(413))
        await send(piece(b"no"))

    client = talk(app)
    said = await client.say(POST + b"content-length: 2\r\nexpect: 100-continue\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 413 ") and b"connection: close" in said
    assert client.transport.ended and not client.transport.closing


async def test_a_body_nobody_reads_stops_its_client() -> None:
    take = asyncio.Event()
    taken: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await take.wait()
        taken.append(await whole_body(receive))
        await send(start())
        await send(piece(b""))

    server = Server(app)
    client = server.connect()
    body = b"x" * (3 * UNREAD_BYTES)
    await client.say(sized(body)[: -len(body)] + body[:UNREAD_BYTES])
    assert not client.transport.paused
    await client.say(body[UNREAD_BYTES : 2 * UNREAD_BYTES])
    assert client.transport.paused
    assert server.service.unread_bytes == 2 * UNREAD_BYTES
    take.set()
    await settle()
    assert not client.transport.paused
    assert server.service.unread_bytes == 0
    await client.say(body[2 * UNREAD_BYTES :])
    assert taken == [body]


async def test_bodies_that_wait_are_bounded_over_all_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.web.http1.service.MAX_UNREAD_BYTES", 150)
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        await echo(scope, receive, send)

    server = Server(app)
    clients = [server.connect() for _ in range(3)]
    for client in clients:
        await client.say(sized(b"x" * 200)[:-100])
    assert [client.transport.paused for client in clients] == [False, True, True]
    go.set()
    await settle()
    assert not [client for client in clients if client.transport.paused]
    for client in clients:
        (said,) = echoed(await client.say(b"x" * 100))
        assert len(said["body"]) == 200
    assert server.service.unread_bytes == 0


async def test_a_body_that_stops_coming_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.web.http1.deadline.BODY_IDLE_S", 0.03)
    failures: list[Exception] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await whole_body(receive)
        except SlowRequest as error:
            failures.append(error)
            await send(start(408, (b"connection", b"close")))
            await send(piece(b"slow"))

    client = talk(app)
    await client.say(sized(b"xxxx")[:-3])
    for _ in range(2):  # each piece in time
        await asyncio.sleep(0.02)
        await client.say(b"x")
    assert not failures
    await asyncio.sleep(0.06)
    assert len(failures) == 1
    assert client.said.endswith(b"slow")
    assert client.transport.ended


async def test_an_application_may_take_its_time_with_a_body(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.web.http1.deadline.BODY_IDLE_S", 0.02)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.sleep(0.05)
        await echo(scope, receive, send)

    client = talk(app)
    await client.say(sized(b"abcd")[:-2])
    await client.say(b"cd")
    await asyncio.sleep(0.08)
    assert echoed(client.said)[0]["body"] == "cd"
