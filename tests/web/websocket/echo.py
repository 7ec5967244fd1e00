"""A server that says what it hears, and clients of it: a library's, and one of bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import CloseCode, Frame, Opcode

from server.core.errors import RequestError
from server.web.asgi import Receive, Scope, Send, send_json, send_problem, wants_socket
from server.web.websocket.handshake import open_socket
from server.web.websocket.socket import Socket
from tests.fakes.live_server import live_server
from tests.fakes.raw_client import raw_client
from tests.fakes.waiting import until

MOST = 100_000
HANDSHAKE = (
    b"GET /s HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n"
)


def sent(kind: Opcode, payload: bytes, *, last: bool = True) -> bytes:
    """As a client sends it."""
    return Frame(kind, payload, fin=last).serialize(mask=True)


async def closed_with(reader: asyncio.StreamReader) -> int:
    """The code of the close that comes next."""
    head = await reader.readexactly(4)
    assert head[0] == 0x88
    return int.from_bytes(head[2:], "big")


class Echo:
    """Says what it hears, after 1 if it is text; it closes when it hears `bye`."""

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
                socket.close(CloseCode.POLICY_VIOLATION, "you said so" * 50)
            socket.send([b"%d " % message.is_text + message.payload])
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
async def opened() -> AsyncIterator[tuple[Echo, asyncio.StreamReader, asyncio.StreamWriter]]:
    """With one socket."""
    async with serving() as (app, url), raw(url) as (reader, writer):
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        await until(lambda: app.sockets)
        yield app, reader, writer


@asynccontextmanager
async def talking() -> AsyncIterator[tuple[Echo, ClientConnection]]:
    async with serving() as (app, url), connect(url.replace("http", "ws"), proxy=None) as client:
        yield app, client
