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

from server.clients.connection import Connection, Header
from server.clients.origin import Origin
from server.core.errors import ConnectFailed, CutOff
from server.core.limits import CONNECT_S

IDLE_S = 50.0
"""Shorter than a server keeps an idle connection (`web/process.py`)."""
MAX_IDLE = 256
"""Idle connections kept for one origin."""


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

    def abort(self) -> None:
        """Hang up; whoever waits for a chunk gets `CutOff`."""
        self._connection.abort()


class Exchange:
    """One request and its answer; a class, because a generator costs more than the request."""

    __slots__ = ("_client", "_message", "_origin", "abandoned", "connection")

    def __init__(self, client: HTTPClient, origin: Origin, message: bytes) -> None:
        self._client = client
        self._origin = origin
        self._message = message
        self.connection: Connection | None = None
        self.abandoned = False

    async def __aenter__(self) -> Answer:
        return Answer(await self._client.open(self._origin, self._message, self))

    async def __aexit__(self, *_: object) -> None:
        assert self.connection is not None
        self._client.take_back(self._origin, self.connection)

    def abandon(self) -> None:
        """Hang up; whoever waits in the block gets `CutOff`."""
        self.abandoned = True
        if self.connection is not None:
            self.connection.abort()


class HTTPClient:
    """Connections to many origins, kept for reuse. Not for use from several event loops."""

    def __init__(
        self,
        *,
        connect_s: float = CONNECT_S,
        tls: ssl.SSLContext | None = None,
        ask_again: bool = True,
    ) -> None:
        """`ask_again`: when a kept connection breaks before the answer has begun, send the request
        once more on a new one. Its server had most likely closed it, but may have begun to work:
        not for those who send a bill."""
        self._connect_s = connect_s
        self._tls = tls
        self._ask_again = ask_again
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

    async def open(self, origin: Origin, message: bytes, exchange: Exchange) -> Connection:
        """A connection on which `message` was sent and the answer has begun."""
        kept = self._take_idle(origin)
        if kept is None:
            return await _ask(await self._connect(origin), message, exchange)
        try:
            return await _ask(kept, message, exchange)
        except CutOff as first:
            if not self._ask_again or kept.headers or exchange.abandoned:
                raise
            try:
                return await _ask(await self._connect(origin), message, exchange)
            except ConnectFailed:
                raise first from None  # it was sent once, and that is what counts

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


async def _ask(connection: Connection, message: bytes, exchange: Exchange) -> Connection:
    exchange.connection = connection
    try:
        if exchange.abandoned:  # while it was connecting
            raise CutOff("nobody waits for it any more")
        await connection.ask(message)
        await connection.head()
    except BaseException:
        connection.release()
        raise
    return connection


def _message(
    origin: Origin, method: bytes, path: bytes, body: bytes, headers: Sequence[Header]
) -> bytes:
    lines = [method + b" " + origin.base_path.encode() + path + b" HTTP/1.1"]
    lines.append(b"host: " + origin.authority)
    lines += [name + b": " + value for name, value in headers]
    lines.append(b"content-length: " + str(len(body)).encode())
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
