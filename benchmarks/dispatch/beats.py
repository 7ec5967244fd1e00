"""When workers say how busy they are."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf
from random import random
from typing import Final, Protocol

from server.core.dispatch import soon_s

HOP_S: Final = 0.005
"""From a worker to the controller, or from there to a gateway; on one machine it takes 2 ms."""


class Beating(Protocol):
    due_s: float
    """When the next beat is; `inf`: not before something changes."""
    worker: int
    """Whose it is."""

    def step(self) -> None:
        """That beat has been."""

    def change(self, worker: int, now: float) -> None:
        """The worker has one request more or less."""


class Beats:
    """Every worker speaks once a period, each at a moment of its own."""

    def __init__(self, workers: int, period_s: float) -> None:
        self._moments = sorted((random() * period_s, worker) for worker in range(workers))
        self._period_s = period_s
        self._round = 0
        self._at = 0
        self.due_s, self.worker = self._moments[0]

    def step(self) -> None:
        self._at += 1
        if self._at == len(self._moments):
            self._at = 0
            self._round += 1
        moment_s, self.worker = self._moments[self._at]
        self.due_s = self._round * self._period_s + moment_s

    def change(self, worker: int, now: float) -> None: ...


class SoonBeats:
    """A worker speaks when its load has changed, not more often than every `soon_s`."""

    def __init__(self, workers: int) -> None:
        self._soon_s = soon_s(workers)
        self._spoke_s = [-inf] * workers
        self._will_speak = [False] * workers
        self._queue: list[tuple[float, int]] = []
        self.due_s = inf
        self.worker = 0

    def change(self, worker: int, now: float) -> None:
        if not self._will_speak[worker]:
            self._will_speak[worker] = True
            due_s = max(now + HOP_S, self._spoke_s[worker] + self._soon_s)
            heappush(self._queue, (due_s, worker))
            self._look()

    def step(self) -> None:
        due_s, worker = heappop(self._queue)
        self._will_speak[worker] = False
        self._spoke_s[worker] = due_s
        self._look()

    def _look(self) -> None:
        self.due_s, self.worker = self._queue[0] if self._queue else (inf, 0)


class Silence:
    """Nobody says anything."""

    due_s = inf
    worker = 0

    def step(self) -> None: ...

    def change(self, worker: int, now: float) -> None: ...
