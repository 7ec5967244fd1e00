"""A client on a bare socket, which says exactly what it is told to."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class RawClient:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> Answer:
        """The next head, without its body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        return Answer(int(first.split()[1]), headers, b"")

    async def answer(self) -> Answer:
        """The next one, to its end. Raises `asyncio.IncompleteReadError` if it is cut."""
        head = await self.head()
        if head.headers.get("transfer-encoding") == "chunked":
            body = b""
            while chunk := await self.chunk():
                body += chunk
        elif "content-length" in head.headers:
            body = await self.reader.readexactly(int(head.headers["content-length"]))
        else:
            body = await self.reader.read()
        return Answer(head.status, head.headers, body)

    async def chunk(self) -> bytes:
        size = int((await self.reader.readuntil(b"\r\n")).strip(), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def rest(self) -> bytes:
        """All that comes until the server hangs up."""
        return await self.reader.read()

    def half_close(self) -> None:
        self.writer.write_eof()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Leave without a goodbye, as a process that is killed."""
        own: socket.socket = self.writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def raw_client(url: str, *, window: int | None = None) -> AsyncIterator[RawClient]:
    """A connection to `url`; every wait of the block together has 5 s. `window`: of what it can
    receive unread, in bytes."""
    host, port = url.removeprefix("http://").split(":")
    own = socket.socket()
    if window is not None:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    own.setblocking(False)
    async with asyncio.timeout(5):
        await asyncio.get_running_loop().sock_connect(own, (host, int(port)))
        reader, writer = await asyncio.open_connection(sock=own, limit=window or 2**16)
        try:
            yield RawClient(reader, writer)
        finally:
            writer.close()
