"""One HTTP/1.1 connection: bytes out, an answer in, backpressure both ways."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast

import httptools

from server.core.errors import BadAnswer, CutOff
from server.core.limits import MAX_HEADER_BYTES

Header = tuple[bytes, bytes]

Sink = Callable[[bytes], bool]
"""Takes a piece of a body; False: no more for now."""
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
"""Say where a body ends; without them it ends with the connection."""

HIGH_WATER = 256 * 1024
"""Bytes received and not yet taken; beyond it the peer is made to wait."""


RECEIVE_BYTES = 64 * 1024
"""Of the kernel, before those. Left alone it takes up to 32 MiB of a fast worker's answer, and
so many tokens are made for a client that does not read them."""


class Connection(asyncio.Protocol):
    """One connection, one exchange at a time. Speaks to httptools below and to `Answer` above."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._busy = False
        self._parts: list[bytes] = []
        self._size = 0
        self._paused = False
        self._sink: Sink | None = None
        self._reset()
        self.error: Exception | None = None
        self._idle_since = 0.0

    def _reset(self) -> None:
        """Ready for another answer. The last one is whole and was taken, or there was none: so the
        parser can go on, and nothing is left of it."""
        self.status = 0
        self.headers: list[Header] = []
        self._head_bytes = 0
        self._framed = False
        self._keep = False
        self.head_done = False
        self.ended = False

    # asyncio -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        own = transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._parser = None  # it knows us: no cycle is left to the collector
        if self._busy and not self.ended:
            self._lose(exc)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _lose(self, exc: Exception | None) -> None:
        if self.head_done and not self._framed:
            self.ended = True  # a body without length or chunks ends with the connection
        elif self.error is None:
            self.error = CutOff("the connection closed in mid-answer")
            self.error.__cause__ = exc
        self._wake()

    def data_received(self, data: bytes) -> None:
        if not self._busy:
            self.abort()  # nobody asked for anything
            return
        if not self.head_done:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self.ended:
                self._keep = False  # the answer is whole; what follows it is not ours
            else:
                self._fail(BadAnswer(f"not a valid HTTP answer: {error}"))
        if not self.head_done and self._head_bytes > MAX_HEADER_BYTES:
            self._fail(BadAnswer(f"the head of the answer exceeds {MAX_HEADER_BYTES} bytes"))
        if self._sink is not None:
            self._pour_on(self._sink)
            return
        if self._size > HIGH_WATER and not self.ended:
            self._pause()
        self._wake()

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # httptools ---------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.ended:  # the parser has gone on to a second answer that nobody asked for
            raise BadAnswer("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in _FRAMING:
            self._framed = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if not 100 <= status < 600:  # no client could be told
            raise BadAnswer(f"the status {status}")
        if status < 200:  # 100 Continue and its like come before the real head
            self.headers = []
            self._framed = False
            return
        self.status = status
        if status in (204, 304):
            self._framed = True
        self.head_done = True

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)
        self._size += len(body)

    def on_message_complete(self) -> None:
        if self.head_done:
            self.ended = True
            self._keep = self._parser.should_keep_alive()

    # exchanges ---------------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes) -> None:
        """Send one request, and wait for the head of its answer."""
        if self._transport is None:
            raise CutOff("the connection closed before the request was sent")
        self._reset()
        self._busy = True
        self._transport.write(request)
        if self._drained is not None:
            await self._drained
        while not self.head_done:
            await self._more()

    async def chunk(self) -> bytes:
        """Whatever body bytes have come since the last call; `b""` at the end."""
        while not self._parts and not self.ended:
            await self._more()
        return self._take()

    async def pour(self, sink: Sink) -> None:
        """Give the body to `sink` as it comes, until `sink` says False or the body ends.

        No task is woken for it, so `sink` must not wait; what it raises is raised here.
        """
        self._sink = sink
        try:
            if self._parts and not sink(self._take()):
                return
            while self._sink is not None and not self.ended:
                await self._more()
        finally:
            self._sink = None

    def _pour_on(self, sink: Sink) -> None:
        """Whoever waits in `pour` is woken only when `sink` can take no more, and at the end."""
        parts = self._parts
        if parts:
            self._parts = []
            self._size = 0
        try:
            if parts and not sink(parts[0] if len(parts) == 1 else b"".join(parts)):
                self._sink = None
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            self._sink = None
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(error)
        if self._sink is None or self.ended or self.error is not None:
            self._wake()

    def _take(self) -> bytes:
        parts = self._parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self._parts = []
        self._size = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    @property
    def exhausted(self) -> bool:
        """Whether the body is whole, and nothing of it waits to be taken."""
        return self.ended and not self._parts

    @property
    def idle_s(self) -> float:
        return self._loop.time() - self._idle_since

    def release(self) -> bool:
        """End the exchange. True if the connection can serve another one."""
        self._busy = False
        if self.ended and self._keep and not self._parts and self.usable:
            self._idle_since = self._loop.time()
            return True
        self.abort()
        return False

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _more(self) -> asyncio.Future[None]:
        """Done as soon as anything has changed."""
        if self.error is not None:
            raise self.error
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def _fail(self, error: Exception) -> None:
        self.error = error
        self.abort()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
