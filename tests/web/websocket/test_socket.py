"""Sockets at a live server, with a library's client and with bytes."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode, Opcode

from server.core.limits import MAX_PIPELINED
from server.web.websocket import socket as module
from tests.fakes.loops import on_both_loops
from tests.fakes.waiting import until
from tests.web.websocket.echo import (
    HANDSHAKE,
    MOST,
    closed_with,
    opened,
    raw,
    sent,
    serving,
    talking,
)

pytestmark = on_both_loops


async def test_messages_go_both_ways_and_are_let_go_of() -> None:
    async with talking() as (app, client):
        for text in ("hi", "x" * 70_000, "ä"):
            await client.send(text)
            assert await client.recv() == f"1 {text}"
        await client.send([b"in ", b"parts"])
        assert await client.recv() == "0 in parts"
        await (await client.ping())
        await until(lambda: app.sockets[0]._service.held_bytes == 0)


async def test_a_message_that_is_too_long_ends_it_before_it_is_received() -> None:
    head = sent(Opcode.TEXT, b"x" * (MOST + 1))[:14]
    async with opened() as (app, reader, writer):
        writer.write(head)
        assert await closed_with(reader) == CloseCode.MESSAGE_TOO_BIG
        writer.write(b"x" * 1_000_000)
        await reader.read()
        assert app.sockets[0]._service.held_bytes == 0
    async with talking() as (_, client):
        with pytest.raises(ConnectionClosed) as closed:
            await client.send(["x" * MOST, "x"])
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CloseCode.MESSAGE_TOO_BIG


async def test_a_message_in_tiny_parts_takes_the_memory_of_its_bytes() -> None:
    async with opened() as (app, reader, writer):
        writer.write(sent(Opcode.TEXT, b"x", last=False))
        writer.write(sent(Opcode.CONT, b"x", last=False) * 999)
        writer.write(sent(Opcode.CONT, b"", last=False) * 9000 + sent(Opcode.PING, b"there?"))
        assert await reader.readexactly(8) == b"\x8a\x06there?"
        assert app.sockets[0]._service.held_bytes == 1000
        writer.write(sent(Opcode.CONT, b""))
        assert await reader.readexactly(4 + 1002) == b"\x81\x7e\x03\xea1 " + b"x" * 1000
        await until(lambda: app.sockets[0]._service.held_bytes == 0)


async def test_text_is_utf8_when_it_is_whole() -> None:
    async with opened() as (app, reader, writer):
        halves = "ä".encode()
        writer.write(sent(Opcode.TEXT, halves[:1], last=False) + sent(Opcode.CONT, halves[1:]))
        assert await reader.readexactly(6) == b"\x81\x041 \xc3\xa4"
        writer.write(sent(Opcode.TEXT, halves[:1]) + sent(Opcode.TEXT, b"never heard"))
        assert await reader.read() == b"\x88\x02\x03\xef"
        await until(lambda: app.left == 1)


async def test_who_leaves_in_mid_message_leaves_nothing() -> None:
    async with opened() as (app, _, writer):
        writer.write(sent(Opcode.TEXT, b"x" * 10_000, last=False))
        writer.write(sent(Opcode.CONT, b"x" * 10_000)[:5000])
        service = app.sockets[0]._service
        await until(lambda: service.held_bytes > 14_000)
        writer.transport.abort()
        await until(lambda: app.left == 1 and not service.connections)
        assert service.held_bytes == 0


async def test_who_does_not_read_gets_no_pongs() -> None:
    async with opened() as (app, reader, _):
        [own] = app.sockets
        own.pause_writing()
        own.data_received(sent(Opcode.PING, b"nobody hears of it") * 100)
        own.resume_writing()
        own.data_received(sent(Opcode.PING, b"x"))
        own.pause_writing()
        own.data_received(sent(Opcode.CLOSE, b""))
        assert (await reader.read(), own.over) == (b"\x8a\x01x\x88\x00", True)


async def test_either_side_may_close() -> None:
    async with talking() as (app, client):
        await client.send("bye")
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CloseCode.POLICY_VIOLATION
        assert closed.value.rcvd.reason == ("you said so" * 50)[:123]
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
            assert await closed_with(reader) == CloseCode.PROTOCOL_ERROR
            await reader.read()
        await until(lambda: app.left == 1)
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(url)).json() == {"upgraded": False}


async def test_a_client_that_falls_silent_is_gone() -> None:
    async with opened() as (app, reader, writer):
        [socket] = app.sockets
        now = asyncio.get_running_loop().time()
        socket.look(now + 19)
        socket.look(now + 30)
        assert await reader.readexactly(2) == b"\x89\x00"
        socket.look(now + 31)  # it is asked once
        writer.write(sent(Opcode.PONG, b""))
        writer.write(sent(Opcode.TEXT, b"x"))
        assert await reader.readexactly(5) == b"\x81\x031 x"
        socket.look(now + 100)
        assert app.left == 1
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)


async def test_a_message_that_drips_ends_it() -> None:
    async with opened() as (app, reader, writer):
        writer.write(sent(Opcode.TEXT, b"x" * 50)[:20])
        await until(lambda: app.sockets and app.sockets[0]._in_message)
        app.sockets[0]._begun -= 100
        app.sockets[0].look(asyncio.get_running_loop().time())
        assert await closed_with(reader) == CloseCode.POLICY_VIOLATION


async def test_a_client_that_does_not_read_makes_the_application_wait_and_then_goes() -> None:
    async with opened() as (app, *_):
        [socket] = app.sockets
        while not socket.blocked:
            socket.send([b"x" * 1_000_000])
            await asyncio.sleep(0)
        socket.look(asyncio.get_running_loop().time() + 31)
        assert (app.left, socket.over) == (1, True)


async def test_all_clients_together_may_send_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HELD_BYTES", 10)
    monkeypatch.setattr(module, "SMALL_BODY_BYTES", 20)
    async with opened() as (app, reader, writer):
        small, long = sent(Opcode.TEXT, b"x" * 20), sent(Opcode.TEXT, b"x" * 50)
        writer.write(small[:-1])
        await until(lambda: app.sockets[0]._partial)
        writer.write(small[-1:])
        assert await reader.readexactly(24) == b"\x81\x161 " + b"x" * 20
        writer.write(long[:-1])
        assert await closed_with(reader) == CloseCode.TRY_AGAIN_LATER
        await until(lambda: app.left == 1)
        assert app.sockets[0]._service.held_bytes == 0


async def test_a_server_that_ends_says_so() -> None:
    async with serving() as (_, url):
        client = await connect(url.replace("http", "ws"), proxy=None)
        await client.send("hi")
        await client.recv()
    await client.wait_closed()
    assert client.close_code == CloseCode.GOING_AWAY


async def test_who_says_much_at_once_is_heard_to_the_end_and_holds_up_nobody() -> None:
    async with opened() as (app, reader, writer):
        small = sent(Opcode.TEXT, b"x")
        writer.write(small * 2000)
        most = 0
        for _ in range(2000):
            assert await reader.readexactly(5) == b"\x81\x031 x"
            most = max(most, len(app.sockets[0]._messages))
        assert most < MAX_PIPELINED + 512 / len(small)
