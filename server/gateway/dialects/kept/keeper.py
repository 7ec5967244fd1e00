"""Keeps an answer before its client hears of its end: what was acknowledged is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

import orjson

from server.gateway.dialects.values import Json
from server.gateway.dialects.via import Between
from server.web.asgi import Header, Message, Receive, Send


class Making(Protocol):
    """An answer on its way, as its interpreter tells it."""

    ended: bool
    """All of it is there."""
    document: Json
    """What is told of a whole one, once it is kept."""

    def last(self) -> bytes:
        """The events of a stream that are not told before it is kept; there are some once."""


class Keeper(Between):
    """Between the interpreter and the client."""

    def __init__(
        self,
        receive: Receive,
        send: Send,
        making: Making,
        keep: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        """`keep` is awaited once, when the answer has ended; it may change its document, and must
        not raise: the answer has cost what it has cost."""
        super().__init__(receive, send)
        self._making = making
        self._keep = keep
        self._keeping: asyncio.Future[None] | None = None
        self._held = b""
        """Of a stream, what waits until it is kept."""

    async def respond(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        if self._making.ended and status < 400:
            await self._kept()
            body = orjson.dumps(self._making.document)
        await self.own.respond(status, headers, body)

    def send_now(self, piece: bytes) -> bool:
        return not self._making.ended and self.own.send_now(piece)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body" and self._making.ended:
            self._held += message.get("body", b"")
            await self._kept()
            told, self._held = self._held + self._making.last(), b""
            message = {**message, "body": told}
        await self._send(message)

    async def _kept(self) -> None:
        """Whoever runs out of time meanwhile may ask again: it goes on."""
        if self._keeping is None:
            self._keeping = asyncio.ensure_future(self._keep())
        await asyncio.shield(self._keeping)
