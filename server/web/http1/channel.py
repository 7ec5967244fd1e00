"""Bytes to and from one client, at the pace of the slower side."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import cast

_RESET = struct.pack("ii", 1, 0)
"""Linger for 0 s: what is not sent yet never will be."""


class Channel(asyncio.Protocol):
    __slots__ = ("_loop", "_transport", "_writers", "blocked", "paused", "write")

    _transport: asyncio.Transport
    write: Callable[[bytes], None]
    """The transport's own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._writers: list[asyncio.Future[None]] = []
        self.blocked = False
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self.write = self._transport.write

    def succeed(self, other: Channel) -> None:
        """Speak to the client of `other` from now on, in another protocol."""
        Channel.connection_made(self, other._transport)
        self.blocked = other.blocked
        other._transport.set_protocol(self)

    def write_parts(self, *parts: bytes) -> None:
        self._transport.writelines([part for part in parts if part])

    async def unblocked(self) -> None:
        while self.blocked:
            writer = self._loop.create_future()
            self._writers.append(writer)
            await writer

    def unblock(self) -> None:
        self.blocked = False
        writers, self._writers = self._writers, []
        for writer in writers:
            if not writer.done():
                writer.set_result(None)

    def pause(self, pause: bool) -> None:
        """Make the client wait, or no longer."""
        if pause == self.paused or self._transport.is_closing():
            return
        self.paused = pause
        if pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def reset(self) -> None:
        """End it so that the client cannot take what it has for all there is."""
        own = self._transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()
