"""Generations that are over: a late word of theirs must not bring them back."""

from __future__ import annotations

from server.wire.fleet import WorkerRef

MAX_FENCES = 4096
"""Remembered at most; by the time one is forgotten, its words have long arrived."""


class Fences:
    def __init__(self) -> None:
        self._past: dict[tuple[str, str], None] = {}

    def put(self, worker: WorkerRef) -> None:
        self._past[worker.address, worker.generation] = None
        if len(self._past) > MAX_FENCES:
            del self._past[next(iter(self._past))]

    def holds(self, worker: WorkerRef) -> bool:
        return (worker.address, worker.generation) in self._past
