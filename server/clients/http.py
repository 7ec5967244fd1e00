"""A pooled HTTP/1.1 client for the hot path: one POST or GET, its answer as raw bytes.

Relaying is what this product is for, so it costs as little as Python allows: httptools reads the
answer, connections are kept, nothing is decoded. Redirects are never followed, proxies and cookies
are not known here, TLS is always verified.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Self

from server.clients.connection import Connection, Header, Sink
from server.clients.origin import Origin
from server.core.errors import ConnectFailed, CutOff
from server.core.limits import CONNECT_S

IDLE_S = 50.0
"""Shorter than a server keeps an idle connection (`web/process.py`)."""
MAX_IDLE = 256
"""Idle connections kept for one origin."""
MAX_STARTS = 64
"""Beginnings of requests kept for one origin: the paths that are asked for, with the headers that
are always the same."""
_UNWANTED = "nobody waits for it any more"
Connect = Callable[[Origin], Awaitable[Connection]]


class Answer:
    """One request and its answer: entering the block sends it and reads the head; then the body
    comes. A class, because a generator costs more than the request."""

    __slots__ = ("_aborted", "_connection", "_message", "_pool", "headers", "status")

    status: int
    headers: Sequence[Header]

    def __init__(self, pool: Pool, message: bytes) -> None:
        self._pool = pool
        self._message = message
        self._connection: Connection | None = None
        self._aborted = False

    async def __aenter__(self) -> Self:
        """An answer that has begun, on a connection that was kept or on a new one."""
        if self._aborted:
            raise CutOff(_UNWANTED)
        connection = self._connection = self._pool.take_idle()
        if connection is None:
            connection = await self._ask_anew()
        else:
            try:
                await connection.ask(self._message)
            except CutOff as first:
                if not self._pool.ask_again or connection.headers or self._aborted:
                    raise
                try:
                    connection = await self._ask_anew()
                except ConnectFailed:
                    raise first from None  # it was sent once, and that is what counts
            except BaseException:
                connection.abort()
                raise
        self.status = connection.status
        self.headers = connection.headers
        return self

    async def _ask_anew(self) -> Connection:
        connection = self._connection = await self._pool.connect()
        try:
            if self._aborted:  # while it was connecting
                raise CutOff(_UNWANTED)
            await connection.ask(self._message)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def __aexit__(self, *_: object) -> None:
        connection, self._connection = self._connection, None  # it is not ours any more
        assert connection is not None
        if connection.release():
            self._pool.keep(connection)

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    def take_whole(self) -> bytes | None:
        """The body, or what was not taken of it yet, if all of it is here; else None."""
        connection = self._connection
        assert connection is not None
        return connection.take() if connection.ended else None

    def chunk(self) -> Awaitable[bytes]:
        """The next bytes, `b""` at the end. Raises `CutOff` or `BadAnswer`."""
        assert self._connection is not None
        return self._connection.chunk()

    def pour(self, sink: Sink) -> Awaitable[None]:
        """Give the body to `sink` as it comes, until it says False or the body ends. No task is
        woken for a piece, so `sink` must not wait. Raises what `chunk` does, and what `sink` does.
        """
        assert self._connection is not None
        return self._connection.pour(sink)

    @property
    def ended(self) -> bool:
        """Whether all of the body has been taken."""
        assert self._connection is not None
        return self._connection.exhausted

    def abort(self) -> None:
        """Hang up, at once or as soon as it is connected: who waits in the block gets `CutOff`."""
        self._aborted = True
        if self._connection is not None:
            self._connection.abort()


class Pool:
    """The connections to one origin."""

    def __init__(self, origin: Origin, connect: Connect, *, ask_again: bool) -> None:
        self.origin = origin
        self.ask_again = ask_again
        self._connect = connect
        self._idle: deque[Connection] = deque()
        self._starts: dict[tuple[bytes, bytes, Sequence[Header]], bytes] = {}
        self._most_idle = MAX_IDLE

    def request(
        self,
        path: bytes,
        body: bytes = b"",
        headers: tuple[Header, ...] = (),
        *,
        method: bytes = b"POST",
        more: Sequence[Header] = (),
    ) -> Answer:
        """As `HTTPClient.request`. `headers`: the same for many requests; `more`: of this one."""
        start = self._starts.get((method, path, headers))
        if start is None:
            start = self._start(method, path, headers)
        for header in more:
            start += b"%b: %b\r\n" % header
        return Answer(self, b"%bcontent-length: %d\r\n\r\n%b" % (start, len(body), body))

    def _start(self, method: bytes, path: bytes, headers: tuple[Header, ...]) -> bytes:
        line = b"%b %b%b HTTP/1.1" % (method, self.origin.base_path.encode(), path)
        lines = [line, b"host: " + self.origin.authority]
        lines += [name + b": " + value for name, value in headers]
        start = b"\r\n".join(lines) + b"\r\n"
        if len(self._starts) >= MAX_STARTS:
            self._starts.clear()
        self._starts[method, path, headers] = start
        return start

    def take_idle(self) -> Connection | None:
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.is_fresh(IDLE_S):
                return connection
            connection.abort()
        return None

    def keep(self, connection: Connection) -> None:
        """For the next request."""
        self._idle.append(connection)
        if len(self._idle) > self._most_idle:
            self._idle.popleft().abort()

    async def connect(self) -> Connection:
        return await self._connect(self.origin)

    def close(self) -> None:
        """Keep no connection, now and later."""
        self._most_idle = 0
        while self._idle:
            self._idle.pop().abort()


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
        self._pools: dict[Origin, Pool] = {}

    def request(
        self,
        origin: Origin,
        path: bytes,
        body: bytes = b"",
        headers: Sequence[Header] = (),
        *,
        method: bytes = b"POST",
    ) -> Answer:
        """Send a request and read the head of its answer: `async with … as answer`.

        Leaving the block before the end of the body closes the connection, which is how the
        peer learns that nobody listens. Raises `ConnectFailed` when nothing was sent, `CutOff`
        and `BadAnswer` after that. Time limits are the caller's.
        """
        return self.at(origin).request(path, body, method=method, more=headers)

    def at(self, origin: Origin) -> Pool:
        """The connections to `origin`, for who asks there often."""
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = Pool(origin, self._connect, ask_again=self._ask_again)
        return pool

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
        pool = self._pools.pop(origin, None)
        if pool is not None:
            pool.close()

    def close(self) -> None:
        for origin in list(self._pools):
            self.forget(origin)
