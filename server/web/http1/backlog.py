"""What a client sends before it is its turn: a few requests, then bytes, within limits."""

from __future__ import annotations

from server.core.limits import MAX_PIPELINED
from server.web.http1.exchange import Exchange
from server.web.http1.refusals import BUSY, Refusal

_RELEASED_BYTES = 512
"""Fewer requests than `MAX_PIPELINED`, however short they are."""


class Backlog:
    __slots__ = ("farewell", "held", "queue")

    def __init__(self) -> None:
        self.queue: list[Exchange] = []
        """Read together with the request that is being answered."""
        self.held = bytearray()
        """What came after those, not looked at yet."""
        self.farewell: bytes | None = None
        """Said once all of these are answered; then it is over."""

    def __bool__(self) -> bool:
        return bool(self.queue or self.held)

    def add(self, exchange: Exchange) -> None:
        """Raises `Refusal` when too many wait."""
        if len(self.queue) >= MAX_PIPELINED:
            raise Refusal(BUSY)
        self.queue.append(exchange)

    def release(self) -> bytes:
        """The next of what was held: no more than what may wait, once it has been read."""
        data = bytes(self.held[:_RELEASED_BYTES])
        del self.held[:_RELEASED_BYTES]
        return data

    def leave(self) -> None:
        """None of it will be answered."""
        for exchange in self.queue:
            exchange.leave()
        self.queue = []
        self.held.clear()
