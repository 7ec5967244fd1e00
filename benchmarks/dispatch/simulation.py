"""Requests come in, are sent to workers and wait there in line: event by event."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from random import random
from typing import Protocol


class Dispatcher(Protocol):
    """Who sends requests to workers. Each request comes in at one of its gateways, at random."""

    gateways: int
    due_s: float
    """When it next hears how busy workers are; `inf`: never."""

    def hear(self) -> None:
        """It is `due_s`."""

    def send(self, gateway: int, now: float) -> int:
        """The worker that takes the request which has just come in."""

    def done(self, worker: int, gateway: int, now: float) -> None:
        """A request of that gateway has left that worker."""


@dataclass(frozen=True, slots=True)
class Served:
    """What became of the requests, in the order in which they were begun."""

    waited_s: array[float] = field(default_factory=lambda: array("d"))
    sizes_s: array[float] = field(default_factory=lambda: array("d"))


class Simulation:
    """Workers with one line each, first come first served.

    A worker serves `slots` requests at once, each as fast as if it were alone. The network takes
    no time, and no line is ever full.
    """

    def __init__(self, workers: int, slots: int, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._free = [slots] * workers
        self._lines: list[deque[tuple[float, float, int]]] = [deque() for _ in range(workers)]
        """Of those that wait in each: arrival, size, gateway."""
        self._running: list[tuple[float, int, int]] = []
        """A heap of those that are being served: end, worker, gateway."""

    def run(self, requests: Iterable[tuple[float, float]]) -> Served:
        """`requests`: arrival and size of each, in seconds, the earliest first."""
        served = Served()
        dispatcher, free = self._dispatcher, self._free
        for now, size in requests:
            self._advance(now, served)
            gateway = int(random() * dispatcher.gateways)
            worker = dispatcher.send(gateway, now)
            if free[worker]:
                free[worker] -= 1
                heappush(self._running, (now + size, worker, gateway))
                served.waited_s.append(0.0)
                served.sizes_s.append(size)
            else:
                self._lines[worker].append((now, size, gateway))
        while self._running:
            self._advance(self._running[0][0], served)
        return served

    def _advance(self, until: float, served: Served) -> None:
        """Everything that happens until then, then included."""
        dispatcher, running, lines = self._dispatcher, self._running, self._lines
        while True:
            end = running[0][0] if running else inf
            if dispatcher.due_s <= until and dispatcher.due_s <= end:
                dispatcher.hear()
                continue
            if end > until:
                return
            _, worker, gateway = heappop(running)
            dispatcher.done(worker, gateway, end)
            if lines[worker]:
                arrived, size, its_gateway = lines[worker].popleft()
                heappush(running, (end + size, worker, its_gateway))
                served.waited_s.append(end - arrived)
                served.sizes_s.append(size)
            else:
                self._free[worker] += 1
