"""A pooled HTTP/1.1 client for the hot path: one POST or GET, its answer as raw bytes.

Relaying is what this product is for, so it costs as little as Python allows: httptools reads the
answer, connections are kept, nothing is decoded. Everything rare uses httpx instead. Redirects
are never followed, proxies and cookies are not known here, TLS is always verified.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from server.core.errors import BadAnswer, ConnectFailed, CutOff
from server.core.limits import CONNECT_S, MAX_HEADER_BYTES

Header = tuple[bytes, bytes]

IDLE_S = 50.0
"""Shorter than a server keeps an idle connection (`web/process.py`)."""
MAX_IDLE = 256
"""Idle connections kept for one origin."""
HIGH_WATER = 256 * 1024
"""Bytes received and not yet taken; beyond it the peer is made to wait."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to connect, and the path in front of every request's."""

    host: str
    port: int
    tls: bool = False
    base_path: str = ""

    @property
    def authority(self) -> bytes:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.tls else 80
        return (host if self.port == default else f"{host}:{self.port}").encode()

    @classmethod
    def parse(cls, url: str) -> Origin:
        """From `http://host:port/base`. Raises `ValueError`."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an http address: {url!r}")
        tls = parts.scheme == "https"
        port = parts.port or (443 if tls else 80)
        return cls(parts.hostname, port, tls, parts.path.rstrip("/"))


class Connection(asyncio.Protocol):
    """One connection, one exchange at a time. Speaks to httptools below and to `Answer` above."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._busy = False
        self._reset()
        self.idle_since = 0.0
        self.used = 0

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: list[Header] = []
        self._head_bytes = 0
        self._parts: list[bytes] = []
        self._size = 0
        self._paused = False
        self.head_done = False
        self.ended = False
        self.error: Exception | None = None

    # asyncio -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
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
            self._fail(BadAnswer(f"not a valid HTTP answer: {error}"))
        if not self.head_done and self._head_bytes > MAX_HEADER_BYTES:
            self._fail(BadAnswer(f"the head of the answer exceeds {MAX_HEADER_BYTES} bytes"))
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

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue and its like come before the real head
            self.headers = []
            return
        self.status = status
        self._framed = any(
            name in (b"content-length", b"transfer-encoding") for name, _ in self.headers
        ) or status in (204, 304)
        self.head_done = True

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)
        self._size += len(body)

    def on_message_complete(self) -> None:
        if self.head_done:
            self.ended = True
            self._keep = self._parser.should_keep_alive()

    _framed = True
    _keep = False

    # exchanges ---------------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes) -> None:
        """Send one request. Its answer is then read by `head` and `chunk`."""
        if self._transport is None:
            raise CutOff("the connection closed before the request was sent")
        self._reset()
        self._keep = False
        self._busy = True
        self.used += 1
        self._transport.write(request)
        if self._drained is not None:
            await self._drained

    async def head(self) -> None:
        while not self.head_done:
            await self._more()

    async def chunk(self) -> bytes:
        """Whatever body bytes have come since the last call; `b""` at the end."""
        while not self._parts and not self.ended:
            await self._more()
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        self._size = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    def release(self) -> bool:
        """End the exchange. True if the connection can serve another one."""
        self._busy = False
        if self.ended and self._keep and not self._parts and self.usable:
            self.idle_since = self._loop.time()
            return True
        self.abort()
        return False

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _more(self) -> None:
        if self.error is not None:
            raise self.error
        self._waiter = self._loop.create_future()
        await self._waiter

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


class Answer:
    """The answer to one request: its head, then its body in the pieces they came in."""

    __slots__ = ("_connection", "headers", "status")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.status = connection.status
        self.headers: Sequence[Header] = connection.headers

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    async def chunk(self) -> bytes:
        """The next bytes, `b""` at the end. Raises `CutOff` or `BadAnswer`."""
        return await self._connection.chunk()


class Exchange:
    """One request and its answer; a class, because a generator costs more than the request."""

    __slots__ = ("_client", "_connection", "_message", "_origin")

    def __init__(self, client: HTTPClient, origin: Origin, message: bytes) -> None:
        self._client = client
        self._origin = origin
        self._message = message

    async def __aenter__(self) -> Answer:
        self._connection = await self._client.open(self._origin, self._message)
        return Answer(self._connection)

    async def __aexit__(self, *_: object) -> None:
        self._client.take_back(self._origin, self._connection)


class HTTPClient:
    """Connections to many origins, kept for reuse. Not for use from several event loops."""

    def __init__(self, *, connect_s: float = CONNECT_S, tls: ssl.SSLContext | None = None) -> None:
        self._connect_s = connect_s
        self._tls = tls
        self._idle: dict[Origin, deque[Connection]] = {}

    def request(
        self,
        origin: Origin,
        path: bytes,
        body: bytes = b"",
        headers: Sequence[Header] = (),
        *,
        method: bytes = b"POST",
    ) -> Exchange:
        """Send a request and read the head of its answer: `async with … as answer`.

        Leaving the block before the end of the body closes the connection, which is how the
        peer learns that nobody listens. Raises `ConnectFailed` when nothing was sent, `CutOff`
        and `BadAnswer` after that. Time limits are the caller's.
        """
        return Exchange(self, origin, _message(origin, method, path, body, headers))

    def take_back(self, origin: Origin, connection: Connection) -> None:
        if connection.release():
            self._keep(origin, connection)

    async def open(self, origin: Origin, message: bytes) -> Connection:
        """A connection on which `message` was sent and the answer has begun."""
        while True:
            connection = self._take_idle(origin) or await self._connect(origin)
            try:
                await connection.ask(message)
                await connection.head()
                return connection
            except CutOff:
                connection.release()
                if connection.used == 1 or connection.headers:
                    raise
                # A kept connection that its server closed meanwhile: ask again on another one.
            except BaseException:
                connection.release()
                raise

    def _take_idle(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.usable:
                if asyncio.get_running_loop().time() - connection.idle_since < IDLE_S:
                    return connection
                connection.abort()
        return None

    def _keep(self, origin: Origin, connection: Connection) -> None:
        idle = self._idle.setdefault(origin, deque(maxlen=MAX_IDLE))
        if len(idle) == MAX_IDLE:
            idle.popleft().abort()
        idle.append(connection)

    async def _connect(self, origin: Origin) -> Connection:
        loop = asyncio.get_running_loop()
        if origin.tls and self._tls is None:
            self._tls = ssl.create_default_context()
        try:
            async with asyncio.timeout(self._connect_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop),
                    origin.host,
                    origin.port,
                    ssl=self._tls if origin.tls else None,
                )
        except TimeoutError as error:
            raise ConnectFailed(f"no connection within {self._connect_s:g} s") from error
        except OSError as error:  # DNS, refusal, TLS
            raise ConnectFailed(error.strerror or str(error)) from error
        return connection

    def forget(self, origin: Origin) -> None:
        """Close the idle connections of an origin that is gone."""
        for connection in self._idle.pop(origin, ()):
            connection.abort()

    def close(self) -> None:
        for origin in list(self._idle):
            self.forget(origin)


def _message(
    origin: Origin, method: bytes, path: bytes, body: bytes, headers: Sequence[Header]
) -> bytes:
    lines = [method + b" " + origin.base_path.encode() + path + b" HTTP/1.1"]
    lines.append(b"host: " + origin.authority)
    lines += [name + b": " + value for name, value in headers]
    lines.append(b"content-length: " + str(len(body)).encode())
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
