"""Sockets at a live server, with a library's client and with bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from server.core.errors import RequestError
from server.web.asgi import Receive, Scope, Send, send_json, send_problem
from server.web.websocket import socket as module
from server.web.websocket.frames import BINARY, GOING_AWAY, POLICY, TOO_LONG
from server.web.websocket.handshake import open_socket, wants_socket
from server.web.websocket.socket import Socket
from tests.fakes.live_server import live_server
from tests.fakes.loops import on_both_loops
from tests.fakes.raw_client import raw_client
from tests.fakes.waiting import until

pytestmark = on_both_loops

MOST = 100_000
HANDSHAKE = (
    b"GET /s HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n"
)


class Echo:
    """Says what it hears; it closes when it hears `bye`."""

    def __init__(self) -> None:
        self.sockets: list[Socket] = []
        self.left = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not wants_socket(scope):
            await send_json(send, {"upgraded": False})
            return
        try:
            socket = open_socket(scope, send, MOST)
        except RequestError as error:
            await send_problem(send, error, "req-1")
            return
        self.sockets.append(socket)
        socket.listener = self._leave
        while (message := await socket.receive()) is not None:
            if message.payload == b"bye":
                socket.close(POLICY, "you said so")
            socket.send([b"%d " % message.kind + message.payload])
            await socket.unblocked()
            socket.release(len(message.payload))

    def _leave(self) -> None:
        self.left += 1


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Echo, str]]:
    app = Echo()

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await app(scope, receive, send)

    async with live_server(served) as url:
        yield app, url


@asynccontextmanager
async def raw(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with raw_client(url) as client:
        yield client.reader, client.writer


@asynccontextmanager
async def talking() -> AsyncIterator[tuple[Echo, ClientConnection]]:
    async with serving() as (app, url), connect(url.replace("http", "ws"), proxy=None) as client:
        yield app, client


async def test_messages_go_both_ways_and_are_let_go_of() -> None:
    async with talking() as (app, client):
        for text in ("hi", "x" * 70_000, "ä"):
            await client.send(text)
            assert await client.recv() == f"1 {text}"
        await client.send([b"in ", b"parts"])
        assert await client.recv() == f"{BINARY} in parts"
        await (await client.ping())
        await until(lambda: app.sockets[0]._service.held_bytes == 0)


async def test_a_message_that_is_too_long_is_told_and_nothing_else_happens() -> None:
    async with talking() as (_, client):
        await client.send("x" * (MOST + 1))
        assert await client.recv() == f"{TOO_LONG} "
        await client.send("hi")
        assert await client.recv() == "1 hi"


async def test_either_side_may_close() -> None:
    async with talking() as (app, client):
        await client.send("bye")
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (POLICY, "you said so")
    async with talking() as (app, client):
        await client.close(4001)
        assert client.close_code == 4001
        await until(lambda: app.left == 1)


async def test_what_is_no_websocket_is_closed_and_the_server_goes_on() -> None:
    async with serving() as (app, url):
        async with raw(url) as (reader, writer):
            writer.write(HANDSHAKE)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 ")
            assert b"\r\nconnection: upgrade\r\n" in head
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            said = await reader.read()
            assert said[:2] == b"\x88\x02"
            assert int.from_bytes(said[2:4], "big") == 1002
        await until(lambda: app.left == 1)
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(url)).json() == {"upgraded": False}


async def test_a_client_that_falls_silent_is_gone() -> None:
    async with serving() as (app, url), raw(url) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        await until(lambda: app.sockets)
        [socket] = app.sockets
        now = asyncio.get_running_loop().time()
        socket.look(now + 19)
        socket.look(now + 30)
        assert await reader.readexactly(2) == b"\x89\x00"
        socket.look(now + 31)  # it is asked once
        writer.write(Frame(Opcode.PONG, b"").serialize(mask=True))
        writer.write(Frame(Opcode.TEXT, b"x").serialize(mask=True))
        assert await reader.readexactly(5) == b"\x81\x031 x"
        socket.look(now + 100)
        assert app.left == 1
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)


async def test_a_message_that_drips_ends_it() -> None:
    async with serving() as (app, url), raw(url) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(Frame(Opcode.TEXT, b"x" * 50).serialize(mask=True)[:20])
        await until(lambda: app.sockets and app.sockets[0]._frames.in_message)
        app.sockets[0]._begun -= 100
        app.sockets[0].look(asyncio.get_running_loop().time())
        assert int.from_bytes((await reader.readexactly(4))[2:], "big") == POLICY


async def test_a_client_that_does_not_read_makes_the_application_wait_and_then_goes() -> None:
    async with serving() as (app, url), raw(url) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        await until(lambda: app.sockets)
        [socket] = app.sockets
        while not socket.blocked:
            socket.send([b"x" * 1_000_000])
            await asyncio.sleep(0)
        socket.look(asyncio.get_running_loop().time() + 31)
        assert (app.left, socket.over) == (1, True)


async def test_all_clients_together_may_send_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HELD_BYTES", 10)
    async with serving() as (app, url), raw(url) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        long = Frame(Opcode.TEXT, b"x" * 50).serialize(mask=True)
        writer.write(long[:30])
        await until(lambda: app.sockets and app.sockets[0]._frames.in_message)
        writer.write(long[30:])
        assert await reader.readexactly(5) == b"\x81\x03-2 "


async def test_a_server_that_ends_says_so() -> None:
    async with serving() as (_, url):
        client = await connect(url.replace("http", "ws"), proxy=None)
        await client.send("hi")
        await client.recv()
    await client.wait_closed()
    assert client.close_code == GOING_AWAY


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"version: 13", b"version: 8"),
        (b"AQIDBAUGBwgJCgsMDQ4PEA==", b"AQID"),
        (b"AQIDBAUGBwgJCgsMDQ4PEA==", b"!"),
        (b"\r\n\r\n", b"\r\ncontent-length: 2\r\n\r\n"),
    ],
)
async def test_a_handshake_that_is_none_is_refused(old: bytes, new: bytes) -> None:
    async with serving() as (app, url), raw(url) as (reader, writer):
        writer.write(HANDSHAKE.replace(old, new))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert (b"sec-websocket-version: 13" in head) == (b"8" in new)
        assert app.sockets == []


async def test_who_does_not_wait_for_the_answer_is_refused() -> None:
    early = Frame(Opcode.TEXT, b"x").serialize(mask=True)
    async with serving() as (app, url), raw(url) as (reader, writer):
        writer.write(HANDSHAKE + early)
        said = await reader.read()
        assert b" 101 " not in said
        assert app.left == len(app.sockets) == 0


@pytest.mark.parametrize(
    ("old", "new"), [(b"websocket\r\n", b"h2c\r\n"), (b"GET", b"POST"), (b"P/1.1", b"P/1.0")]
)
async def test_other_wishes_are_answered_plainly(old: bytes, new: bytes) -> None:
    async with serving() as (app, url), raw(url) as (reader, writer):
        writer.write(HANDSHAKE.replace(old, new, 1))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert app.sockets == []


async def test_who_says_much_at_once_is_heard_to_the_end_and_holds_up_nobody() -> None:
    async with serving() as (app, url), raw(url) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        small = Frame(Opcode.TEXT, b"x").serialize(mask=True)
        writer.write(small * 2000)
        await until(lambda: app.sockets)
        most = 0
        for _ in range(2000):
            assert await reader.readexactly(5) == b"\x81\x031 x"
            most = max(most, len(app.sockets[0]._messages))
        assert most <= 32


async def test_an_upgrade_may_wait_behind_another_request() -> None:
    async with serving() as (app, url), raw(url) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" + HANDSHAKE)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(18) == b'{"upgraded":false}'
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        writer.write(Frame(Opcode.TEXT, b"x").serialize(mask=True))
        assert await reader.readexactly(5) == b"\x81\x031 x"
        writer.close()
        await until(lambda: app.left == 1)
        await until(lambda: not app.sockets[0]._service.connections)
