"""One timer for all who wait long: it goes round and looks whether somebody's time is up."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

EVERY_S: Final = 0.2
"""So much later than it should may a long wait end."""


class Waiting(Protocol):
    def look(self, now: float) -> None:
        """End if it is time. `now`: the loop's."""

    def cut(self) -> None:
        """End: the server must."""


class Rounds:
    __slots__ = ("_next", "waiting")

    def __init__(self) -> None:
        self.waiting: set[Waiting] = set()
        """Who leaves takes itself out."""
        self._next: asyncio.TimerHandle | None = None

    def join(self, one: Waiting, loop: asyncio.AbstractEventLoop) -> None:
        self.waiting.add(one)
        if self._next is None:
            self._next = loop.call_later(EVERY_S, self._go_round, loop)

    def _go_round(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next = loop.call_later(EVERY_S, self._go_round, loop) if self.waiting else None
        now = loop.time()
        for one in list(self.waiting):
            one.look(now)

    def cut(self) -> None:
        for one in list(self.waiting):
            one.cut()
