"""What connections remember of responses that are kept nowhere: the last one of each lane.

It is the memory of all connections of a process that has a limit. Whoever was forgotten hears that
his response was not found, and says all of it again.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import orjson

from server.core.limits import MAX_CHAT_BYTES
from server.gateway.dialects.values import Json

MAX_BYTES: Final = 256 * 1024 * 1024


class _Said(NamedTuple):
    id: str
    """Of the response."""
    items: bytes
    """All that was said up to its end, as JSON: as objects, it would take several times that."""


class Memory:
    def __init__(self, most_bytes: int = MAX_BYTES) -> None:
        self._most = most_bytes
        self._all: dict[tuple[Recollection, str], int] = {}
        """How large each is; the oldest one first."""
        self.size = 0

    def add(self, whose: Recollection, lane: str, size: int) -> None:
        self._all[whose, lane] = size
        self.size += size
        while self.size > self._most:
            oldest, lane = next(iter(self._all))
            oldest.forget(lane)

    def drop(self, whose: Recollection, lane: str) -> None:
        self.size -= self._all.pop((whose, lane))


class Recollection:
    """Of one connection."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._said: dict[str, _Said] = {}

    def find(self, id: str | None) -> list[Json] | None:
        for said in self._said.values():
            if said.id == id:
                items: list[Json] = orjson.loads(said.items)
                return items
        return None

    def put(self, lane: str, id: str, items: list[Json]) -> None:
        """In the place of the last one. What is too long to go on from is not remembered."""
        self.forget(lane)
        said = _Said(id, orjson.dumps(items))
        if len(said.items) <= MAX_CHAT_BYTES:
            self._said[lane] = said
            self._memory.add(self, lane, len(said.items))

    def forget(self, lane: str, id: str | None = None) -> None:
        """`id`: only if it is this one."""
        said = self._said.get(lane)
        if said is not None and id in (None, said.id):
            del self._said[lane]
            self._memory.drop(self, lane)

    def clear(self) -> None:
        for lane in list(self._said):
            self.forget(lane)
