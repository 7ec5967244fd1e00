"""What was passed on of a stream, as it was: kept for the case that its worker dies."""

from __future__ import annotations

from typing import Final

from server.gateway.failover.diverged import Diverged
from server.gateway.failover.told import Told

KEPT_PER_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of one answer; a longer one is not kept, so it cannot go on elsewhere."""
KEPT_IN_ALL: Final = 32 * 1024 * 1024
"""Bytes of all answers in flight; those that find no room are not kept."""
_PIECE_BYTES = 48
"""What Python needs beside the bytes themselves."""


class Shelf:
    """The room of one gateway for what its streams have said. `free`: bytes."""

    __slots__ = ("free",)

    def __init__(self, max_bytes: int = KEPT_IN_ALL) -> None:
        self.free = max_bytes


class Delivered:
    """Give its room back with `drop`, however the stream ends."""

    __slots__ = ("_pieces", "_shelf", "_size")

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._pieces: list[bytes] | None = []
        self._size = 0

    def add(self, events: bytes) -> None:
        """Keep whole events that were passed on."""
        if self._pieces is None:
            return
        size = len(events) + _PIECE_BYTES
        self._pieces.append(events)
        self._size += size
        self._shelf.free -= size
        if self._size > KEPT_PER_ANSWER or self._shelf.free < 0:
            self.drop()

    def drop(self) -> None:
        """Keep nothing, now and later; more than once is as good as once."""
        self._pieces = None
        self._shelf.free += self._size
        self._size = 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing had to be dropped."""
        return self._pieces is not None

    def told(self) -> Told:
        """What the events say; about 6 µs for each, so it belongs in a thread. Raises `Diverged`
        when they are not kept, or cannot be compared."""
        if self._pieces is None:
            raise Diverged("what was delivered has not been kept")
        told = Told()
        for events in self._pieces:
            told.read(events)
        return told
