"""What goes from a model's thread to those who wait for its answers."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from server.wire.lanes import Lane

A = TypeVar("A")
"""Of an answer in the making,"""
T = TypeVar("T")
"""and of the pieces that its consumer gets."""


class End:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Seat(Generic[A, T]):
    """One answer and its consumer, who writes `taken` and `cancelled`; the thread writes `made`."""

    paused = False
    opening = True

    def __init__(
        self, answer: A, lane: Lane, customer: str, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.answer = answer
        self.lane = lane
        self.customer = customer
        self.due = 0.0
        self.pieces: asyncio.Queue[T | End] = asyncio.Queue()
        self.made = 0
        self.taken = 0
        self.cancelled = False
        self.loop = loop

    @property
    def ahead(self) -> int:
        """How many pieces wait for the consumer."""
        return self.made - self.taken


class Post(Generic[A, T]):
    """What a step has made for all consumers, told to each of their loops at once: to wake a loop
    costs more than a token."""

    def __init__(self) -> None:
        self._held: dict[asyncio.AbstractEventLoop, list[tuple[Seat[A, T], T | End]]] = {}

    def put(self, seat: Seat[A, T], piece: T | End | None) -> None:
        if piece is not None:
            seat.made += 1
            self._held.setdefault(seat.loop, []).append((seat, piece))

    def send(self) -> None:
        held, self._held = self._held, {}
        for loop, pieces in held.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_hand_out, pieces)


def _hand_out(pieces: list[tuple[Seat[A, T], T | End]]) -> None:
    for seat, piece in pieces:
        seat.pieces.put_nowait(piece)
