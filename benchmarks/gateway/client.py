"""One client of the load generator: a connection that asks again as soon as it was answered."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Protocol, cast

import httptools


class Watcher(Protocol):
    """Who hears of a client's answers."""

    def answered(self, client: Client, body: bytes) -> None: ...
    def failed(self, client: Client, reason: str) -> None: ...


class Client(asyncio.Protocol):
    """Lives longer than its connection: after a loss the next one serves the same client."""

    def __init__(self) -> None:
        self.watcher: Watcher | None = None
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._status = 0
        self.busy = False
        self.stalled = False
        self.asked_s = 0.0
        self.first_s = 0.0
        self.heard_s = 0.0

    @property
    def connected(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, request: bytes) -> None:
        assert self._transport is not None
        self.busy = True
        self.stalled = False
        self._parts = []
        self.first_s = 0.0
        self.asked_s = self.heard_s = perf_counter()
        self._transport.write(request)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # asyncio -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpResponseParser(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self.busy:
            self.busy = False
            self._failed("connection lost")

    def data_received(self, data: bytes) -> None:
        self.heard_s = perf_counter()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    # httptools ---------------------------------------------------------------------------------

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        if not self.first_s:
            self.first_s = self.heard_s
        self._parts.append(body)

    def on_message_complete(self) -> None:
        self.busy = False
        if not self._parser.should_keep_alive():
            self.abort()
        if self._status != 200:
            self._failed(f"status {self._status}")
        elif self.watcher is not None:
            self.watcher.answered(self, b"".join(self._parts))

    def _failed(self, reason: str) -> None:
        if self.watcher is not None:
            self.watcher.failed(self, reason)
