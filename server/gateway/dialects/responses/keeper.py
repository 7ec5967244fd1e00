"""Keeps a response before its client hears of its end: what was acknowledged is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import orjson

from server.gateway.dialects.responses.making import Making
from server.gateway.dialects.via import Between
from server.web.asgi import Header, Message, Receive, Send


class Keeper(Between):
    """Between the interpreter and the client."""

    def __init__(
        self, receive: Receive, send: Send, making: Making, keep: Callable[[], Awaitable[None]]
    ) -> None:
        """`keep` is awaited once, when the response has ended; it may change its document, and must
        not raise: the answer has cost what it has cost."""
        super().__init__(receive, send)
        self._making = making
        self._keep = keep
        self._kept = False

    async def respond(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        if self._making.ended:
            await self._keep()
            body = orjson.dumps(self._making.document)
        await self.own.respond(status, headers, body)

    def send_now(self, piece: bytes) -> bool:
        return not self._making.ended and self.own.send_now(piece)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body" and self._making.ended and not self._kept:
            self._kept = True
            await self._keep()
            message = {**message, "body": message.get("body", b"") + self._making.last()}
        await self._send(message)
