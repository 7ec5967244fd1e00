"""What a client sends before it is its turn: a few requests, then bytes, within limits."""

from __future__ import annotations

from server.core.limits import MAX_PIPELINED
from server.web.http1.exchange import Exchange
from server.web.http1.refusals import BUSY, Refusal


class Backlog:
    __slots__ = ("_held", "farewell", "held_bytes", "queue")

    def __init__(self) -> None:
        self.queue: list[Exchange] = []
        """Read together with the request that is being answered."""
        self._held: list[bytes] = []
        self.held_bytes = 0
        """What came after those, not looked at yet."""
        self.farewell: bytes | None = None
        """Said once all of these are answered; then it is over."""

    def __bool__(self) -> bool:
        return bool(self.queue or self._held)

    def add(self, exchange: Exchange) -> None:
        """Raises `Refusal` when too many wait."""
        if len(self.queue) >= MAX_PIPELINED:
            raise Refusal(BUSY)
        self.queue.append(exchange)

    def hold(self, data: bytes) -> None:
        self._held.append(data)
        self.held_bytes += len(data)

    def release(self) -> bytes:
        """All that was held."""
        data = b"".join(self._held)
        self._held = []
        self.held_bytes = 0
        return data

    def leave(self) -> None:
        """None of it will be answered."""
        for exchange in self.queue:
            exchange.leave()
        self.queue = []
        self.release()
