"""A scriptable HTTP server on raw sockets: it can be as rude as a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from server.clients.origin import Origin

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


@dataclass(frozen=True, slots=True)
class Received:
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return None


Script = Callable[[Received, Writer], Awaitable[None]]


@dataclass(slots=True)
class Upstream:
    """`script` answers each request; swap it at any time."""

    script: Script
    origin: Origin = field(default_factory=lambda: Origin("", 0))
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client hangs up."""
    stop: Callable[[], None] = lambda: None
    """Listen no more."""

    @property
    def url(self) -> str:
        return f"http://{self.origin.host}:{self.origin.port}"

    async def handle(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request = Received(head, b"")
                length = int(request.header("content-length") or 0)
                request = Received(head, await reader.readexactly(length))
                self.received.append(request)
                await self.script(request, writer)
                await writer.drain()
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.closed.set()
            writer.close()


@asynccontextmanager
async def upstream(script: Script, port: int = 0) -> AsyncIterator[Upstream]:
    fake = Upstream(script)
    server = await asyncio.start_server(fake.handle, "127.0.0.1", port)
    host, port = server.sockets[0].getsockname()
    fake.origin = Origin(host, port)
    fake.stop = server.close
    try:
        yield fake
    finally:
        server.close()


def whole(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """An answer with a length."""
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", *headers]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
CLOSE_DELIMITED_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def says(answer: bytes) -> Script:
    """Always the same answer."""

    async def script(_: Received, writer: Writer) -> None:
        writer.write(answer)

    return script
