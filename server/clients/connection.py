"""One HTTP/1.1 connection: a request out, its answer in, at the pace of whoever takes it."""

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
_INTERIM = range(100, 200)
"""100 Continue and its like, which come before the real head."""
_FINAL = range(200, 600)
"""No client could be told another one."""

_CLOSED = "the connection closed in mid-answer"

HIGH_WATER = 256 * 1024
"""Bytes received, framing and all, and not yet taken; beyond it the peer is made to wait."""

RECEIVE_BYTES = 64 * 1024
"""Of the kernel, before those. Left alone it takes up to 32 MiB of a fast worker's answer, and
so many tokens are made for a client that does not read them."""


class Connection(asyncio.Protocol):
    """One connection, one exchange at a time. Speaks to httptools below and to `Answer` above."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_sending = False
        """The peer has yet to take most of the request."""
        self._parts: list[bytes] = []
        """Of the body, received and not yet taken."""
        self.on_body = self._parts.append  # the parser's own call: no step of ours for a piece
        self._parser: Any = httptools.HttpResponseParser(self)
        self._size = 0
        """Bytes that came since the request was sent, or since the body was last taken."""
        self._paused = False
        self._sink: Sink | None = None
        self.status = 0
        """0: the head of the answer is not here yet."""
        self.headers: list[Header] = []
        self.ended = True
        """The last answer is whole, or nobody has asked for one."""
        self._keep = False
        """The peer keeps the connection after it."""
        self.error: Exception | None = None
        self._idle_since = 0.0

    # asyncio -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        own = transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._parser = None  # it knows us: no cycle is left to the collector
        self._keep = False
        if not self.ended:
            self._lose(exc)

    def _lose(self, exc: Exception | None) -> None:
        if self._ends_with_it(exc):
            self.ended = True
        elif self.error is None:
            self.error = CutOff(_CLOSED)
            self.error.__cause__ = exc
        self._wake()

    def _ends_with_it(self, exc: Exception | None) -> bool:
        """Whether the body does: one without length or chunks, whose peer has closed in order. It
        is not whole because somebody hung up on it, or because its peer crashed."""
        if not self.status or exc is not None or self.error is not None:
            return False
        return _FRAMING.isdisjoint(name for name, _ in self.headers)

    def data_received(self, data: bytes) -> None:
        if self.ended:
            self.abort()  # nobody asked for anything
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self.ended:
                self._keep = False  # the answer is whole; what follows it is not ours
            else:
                self._fail(BadAnswer(f"not a valid HTTP answer: {error}"))
        if self._sink is not None:
            self._pour_on(self._sink)
            return
        if not self.ended:
            self._hold_back(len(data))
        self._wake()

    def _hold_back(self, size: int) -> None:
        """So much more has come of an answer that nobody takes at once."""
        self._size += size
        if self._size > MAX_HEADER_BYTES and not self.status:
            self._fail(BadAnswer(f"the head of the answer exceeds {MAX_HEADER_BYTES} bytes"))
        elif self._size > HIGH_WATER and self._parts:
            self._pause()

    def pause_writing(self) -> None:
        self._is_sending = True

    def resume_writing(self) -> None:
        self._is_sending = False

    # httptools ---------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.ended:  # the parser has gone on to a second answer that nobody asked for
            raise BadAnswer("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:  # nobody reads trailers
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status in _FINAL:
            self.status = status
        elif status in _INTERIM:
            self.headers = []
        else:
            raise BadAnswer(f"the status {status}")

    def on_message_complete(self) -> None:
        if self.status:
            self.ended = True
            self._keep = self._parser.should_keep_alive() and not self._is_sending

    # exchanges ---------------------------------------------------------------------------------

    def ask(self, request: bytes) -> asyncio.Future[None]:
        """Send one request; done when the head of its answer is here. Who does not wait for that
        must hang up.

        The last answer is whole and was taken, or there was none: so the parser can go on, and
        nothing is left of it.
        """
        transport = self._transport
        if transport is None:
            raise CutOff("the connection closed before the request was sent")
        self.status = self._size = 0
        self.headers = []
        self.ended = False
        transport.write(request)
        self._waiter = waiter = self._loop.create_future()
        return waiter

    async def chunk(self) -> bytes:
        """Whatever body bytes have come since the last call; `b""` at the end."""
        while not self._parts and not self.ended:
            await self._more()
        return self.take()

    async def pour(self, sink: Sink) -> None:
        """Give the body to `sink` as it comes, until `sink` says False or the body ends.

        No task is woken for it, so `sink` must not wait; what it raises is raised here.
        """
        self._sink = sink
        try:
            piece = self.take()
            if piece and not sink(piece):
                return
            while self._sink is not None and not self.ended:
                await self._more()
        finally:
            self._sink = None

    def _pour_on(self, sink: Sink) -> None:
        """Whoever waits in `pour` is woken only when `sink` can take no more, and at the end."""
        parts = self._parts
        try:
            if parts and not sink(parts.pop() if len(parts) == 1 else self.take()):
                self._sink = None
            elif not self.ended and self.error is None:
                return
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            self._sink = None
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(error)
        self._wake()

    def take(self) -> bytes:
        """What has come of the body and was not taken yet."""
        parts = self._parts
        if len(parts) == 1:
            data = parts.pop()
        else:
            data = b"".join(parts)
            parts.clear()
        self._size = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    @property
    def exhausted(self) -> bool:
        """Whether the body is whole, and nothing of it waits to be taken."""
        return self.ended and not self._parts

    def release(self) -> bool:
        """End the exchange. True if the connection can serve another one."""
        if self.ended and self._keep and not self._parts:
            self._idle_since = self._loop.time()
            return True
        self.abort()
        return False

    def is_fresh(self, idle_s: float) -> bool:
        """Whether it is open, and has been idle for less than `idle_s`."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        return self._loop.time() - self._idle_since < idle_s

    def abort(self) -> None:
        self._keep = False
        if not self.ended and self.error is None:
            self.error = CutOff(_CLOSED)
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
        """Who waits for the head is woken by nothing less."""
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self.status:
            waiter.set_result(None)
        elif self.error is not None:
            waiter.set_exception(self.error)
