"""When workers say how busy they are."""

from __future__ import annotations

from random import random


class Beats:
    """Every worker speaks once a period, each at a moment of its own."""

    def __init__(self, workers: int, period_s: float) -> None:
        self._moments = sorted((random() * period_s, worker) for worker in range(workers))
        self._period_s = period_s
        self._round = 0
        self._at = 0
        self.due_s, self.worker = self._moments[0]
        """The next one, and when."""

    def step(self) -> None:
        self._at += 1
        if self._at == len(self._moments):
            self._at = 0
            self._round += 1
        moment_s, self.worker = self._moments[self._at]
        self.due_s = self._round * self._period_s + moment_s
