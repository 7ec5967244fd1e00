"""The events of a response in the background, for whoever listens: from now on, or from earlier.

They are numbered from 0, as their `sequence_number` says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

MAX_BYTES: Final = 2 * 1024 * 1024
"""Of one story; its oldest events make room for its newest."""
MAX_ALL_BYTES: Final = 128 * 1024 * 1024
"""So many that are told at once get what they may; more get less each."""
MAX_ENDED_BYTES: Final = 64 * 1024 * 1024
"""Of all that have ended."""
KEEP_S: Final = 300.0
"""How long one is kept after its end."""
PING: Final = b": ping\n\n"


class Story:
    def __init__(self, others: int = 0) -> None:
        """`others`: how many are told at the same time."""
        self._most = min(MAX_BYTES, MAX_ALL_BYTES // (others + 1))
        self._events: list[bytes] = []
        self._first = 0
        """The number of the first one that is still here."""
        self._ended = False
        self._more = asyncio.Event()
        self._at: dict[object, int] = {None: 0}
        """The number that each listener waits for; somebody is to come, until he has."""
        self.size = 0
        """In bytes."""

    def tell(self, piece: bytes) -> None:
        """Whole events, or a comment, which is not kept."""
        for event in piece.split(b"\n\n"):
            if event.startswith(b"event:"):
                self._events.append(event + b"\n\n")
                self.size += len(event) + 2
        if self.size > self._most:
            self._forget()
        self._wake()

    def end(self) -> None:
        self._ended = True
        self._wake()

    def reaches_back_to(self, number: int) -> bool:
        return number >= self._first

    async def read(self, number: int) -> AsyncGenerator[bytes, None]:
        """The events from `number` on, as far as they are here, and comments in between."""
        me, number = object(), max(number, self._first)
        try:
            while True:
                self._at[me] = number
                self._at.pop(None, None)
                more = self._more
                if events := self._events[number - self._first :]:
                    number += len(events)
                    yield b"".join(events)
                elif self._ended:
                    return
                else:
                    await more.wait()
                    if number >= self._first + len(self._events) and not self._ended:
                        yield PING
        finally:
            self._at.pop(me, None)

    def _forget(self) -> None:
        """The older half, as one at a time would take longer and longer; nothing that a listener
        has still to hear."""
        heard = min(self._at.values(), default=self._first + len(self._events)) - self._first
        gone = min(max(1, len(self._events) // 2), heard)
        self.size -= sum(map(len, self._events[:gone]))
        del self._events[:gone]
        self._first += gone

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()


class Stories:
    """Those that have ended, for a while."""

    def __init__(self) -> None:
        self._ended: dict[str, tuple[Story, float]] = {}
        self._size = 0

    def add(self, id: str, story: Story, now: float) -> None:
        """`now`: monotonic, here and below."""
        self._ended[id] = (story, now)
        self._size += story.size
        self._make_room(now)

    def find(self, id: str, now: float) -> Story | None:
        self._make_room(now)
        story, _ = self._ended.get(id, (None, 0.0))
        return story

    def drop(self, id: str) -> None:
        story, _ = self._ended.pop(id, (None, 0.0))
        if story is not None:
            self._size -= story.size

    def _make_room(self, now: float) -> None:
        while self._ended:
            oldest = next(iter(self._ended))
            if self._size <= MAX_ENDED_BYTES and now - self._ended[oldest][1] < KEEP_S:
                return
            self.drop(oldest)
