"""Clients that leave at every moment."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import pytest

from server.web.asgi import Receive, Scope, Send, served_by
from server.web.http1.connection import Connection
from server.web.http1.exchange import Exchange
from server.web.http1.reader import Reader
from tests.fakes.live_server import live_server
from tests.fakes.raw_client import RawClient, raw_client
from tests.fakes.waiting import until
from tests.web.http1.apps import START, Stage, echo, piece, start
from tests.web.http1.conftest import on_both_loops
from tests.web.http1.talk import GET, Server, settle, talk

POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n"


async def test_nothing_is_left_of_who_leaves_at_any_byte() -> None:
    """Whatever has been received, and whether the application has begun or not."""
    stage = Stage()
    server = Server(stage.waiting)
    stream = POST + b"abcd" + GET
    for length in range(len(stream) + 1):
        client = server.connect()
        await client.say(stream[:length])
        await client.leave()
        stage.go.set()  # whoever still answers, answers nobody
        await settle()
        stage.go.clear()
        assert client.said == b""
        assert not server.state.connections
        assert not server.state.tasks
        assert server.service.unread_bytes == 0


async def test_an_answer_to_nobody_is_no_error_and_stops_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sent = 0

    async def flood(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(dict(START))
        while sent < 1000:
            sent += 1
            await send(piece(b"x", more=True))

    server = Server(flood)
    client = server.connect()
    client.protocol.data_received(GET)
    client.protocol.eof_received()
    client.transport.close()
    await settle()
    assert 0 < sent < 30  # a turn of the loop for each
    assert client.said == b""
    for task in server.state.tasks:
        task.cancel()
    await settle()
    assert not caplog.records


async def test_who_listens_is_told_once_and_only_of_leaving() -> None:
    told: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        own = served_by(receive)
        assert own is not None
        listen = own.listen
        listen(lambda: told.append(scope["path"]))
        if scope["path"] == "/deaf":
            listen(None)
        if scope["path"] == "/answered":
            await send(start())
            await send(piece(b""))
        await receive()
        while (await receive())["type"] != "http.disconnect":
            pass
        if scope["path"] in ("/late", "/answered"):
            listen(lambda: told.append("at once"))

    for path in (b"/answered", b"/deaf", b"/left", b"/late"):
        client = talk(app)
        await client.say(b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n" % path)
        await client.leave()
    assert told == ["/left", "/late", "at once"]


async def test_receive_says_that_the_answer_is_whole() -> None:
    said: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        waiting = [asyncio.ensure_future(receive()) for _ in range(2)]
        await asyncio.sleep(0)
        await send(start())
        await send(piece(b""))
        said.extend([(await task)["type"] for task in waiting])
        said.append((await receive())["type"])

    await talk(app).say(GET)
    assert said == ["http.disconnect"] * 3


async def test_a_cancelled_receive_loses_nothing() -> None:
    bodies: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(2):
            task = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        bodies.append((await receive())["body"])

    await talk(app).say(POST, b"", b"", b"", b"", b"", b"abcd")
    assert bodies == [b"abcd"]


async def test_a_connection_leaves_no_cycle_behind() -> None:
    server = Server(echo)
    client = server.connect()
    await client.say(POST + b"abcd" + GET)
    assert client.said.count(b"200 OK") == 2
    gc.collect()
    gc.disable()
    try:
        await client.leave()
        assert _alive() > 0
        del client
        await settle()
        assert _alive() == 0
    finally:
        gc.enable()


def _alive() -> int:
    ours = (Connection, Reader, Exchange)
    return sum(isinstance(each, ours) for each in gc.get_objects())


def half_close(client: RawClient) -> None:
    client.half_close()


def close(client: RawClient) -> None:
    client.close()


def reset(client: RawClient) -> None:
    client.reset()


@on_both_loops
@pytest.mark.parametrize("leave", [half_close, close, reset])
async def test_leaving_ends_the_wait_for_an_answer(leave: Callable[[RawClient], None]) -> None:
    stage = Stage()
    async with live_server(stage.waiting) as url, raw_client(url) as client:
        client.say(POST + b"abcd")
        await stage.started.wait()
        leave(client)
        async with asyncio.timeout(2):
            await stage.left.wait()
        stage.go.set()


@on_both_loops
async def test_leaving_is_seen_behind_pipelined_requests() -> None:
    stage = Stage()
    async with live_server(stage.waiting) as url, raw_client(url) as client:
        client.say(GET * 5)
        await stage.started.wait()
        client.say(GET * 5)
        await asyncio.sleep(0.02)
        client.close()
        async with asyncio.timeout(2):
            await stage.left.wait()
        stage.go.set()


@on_both_loops
async def test_leaving_in_mid_stream_ends_the_wait_of_who_sends() -> None:
    ended = asyncio.Event()

    async def flood(scope: Scope, receive: Receive, send: Send) -> None:
        await send(dict(START))
        try:
            for _ in range(10_000):
                await send(piece(b"x" * 65_536, more=True))
        finally:
            ended.set()

    async with live_server(flood) as url, raw_client(url, window=4096) as client:
        client.say(GET)
        await client.reader.readexactly(10)
        await asyncio.sleep(0.05)
        assert not ended.is_set()
        client.reset()
        async with asyncio.timeout(2):
            await ended.wait()


async def test_the_server_forgets_connections_that_are_gone() -> None:
    server = Server(echo)
    clients = [server.connect() for _ in range(5)]
    assert len(server.state.connections) == 5
    for client in clients:
        await client.say(GET)
        await client.leave()
    await until(lambda: not server.state.connections)
