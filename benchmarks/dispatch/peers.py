"""Other ways to send requests to workers, to stand beside ours."""

from __future__ import annotations

from collections import defaultdict
from heapq import heappop, heappush
from math import inf
from random import random
from typing import Final

from benchmarks.dispatch.beats import Beats

FASTCHAT_BEAT_S: Final = 45.0
"""`WORKER_HEART_BEAT_INTERVAL` of FastChat 0.2.36."""


class AtRandom:
    gateways = 1
    due_s = inf

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def hear(self) -> None: ...

    def send(self, gateway: int, now: float) -> int:
        return int(random() * self._workers)

    def done(self, worker: int, gateway: int, now: float) -> None: ...


class Ideal:
    """Sees every queue as it is at this moment and joins the shortest, a random one of equals.

    It keeps workers sorted by the length of their queue and calls no policy of ours.
    """

    gateways = 1
    due_s = inf

    def __init__(self, workers: int) -> None:
        self._length = [0] * workers
        self._place = list(range(workers))
        self._of_length: defaultdict[int, list[int]] = defaultdict(list)
        self._of_length[0] = list(range(workers))
        self._least = 0

    def hear(self) -> None: ...

    def send(self, gateway: int, now: float) -> int:
        while not self._of_length[self._least]:
            self._least += 1
        shortest = self._of_length[self._least]
        worker = shortest[int(random() * len(shortest))]
        self._move(worker, self._least + 1)
        return worker

    def done(self, worker: int, gateway: int, now: float) -> None:
        length = self._length[worker] - 1
        self._move(worker, length)
        self._least = min(self._least, length)

    def _move(self, worker: int, length: int) -> None:
        group = self._of_length[self._length[worker]]
        last = group.pop()
        if last != worker:
            group[self._place[worker]] = last
            self._place[last] = self._place[worker]
        self._place[worker] = len(self._of_length[length])
        self._of_length[length].append(worker)
        self._length[worker] = length


class FastChat:
    """FastChat's controller, which every one of its API servers asks for each request.

    It adds one to a worker's queue when it gives its address away, takes nothing off when the
    request ends, and believes what the worker says in its heartbeat. Of equals it takes the
    first, as `numpy.argmin` does. See `get_worker_address` and `receive_heart_beat` in
    https://github.com/lm-sys/FastChat/blob/v0.2.36/fastchat/serve/controller.py
    """

    gateways = 1

    def __init__(self, workers: int) -> None:
        self._believed = [0] * workers
        self._sorted = [(0, worker) for worker in range(workers)]
        """A heap of what is and was believed, with the worker."""
        self._in_flight = [0] * workers
        self._beats = Beats(workers, FASTCHAT_BEAT_S)
        self.due_s = self._beats.due_s

    def hear(self) -> None:
        worker = self._beats.worker
        self._believe(worker, self._in_flight[worker])
        self._beats.step()
        self.due_s = self._beats.due_s

    def send(self, gateway: int, now: float) -> int:
        length, worker = self._sorted[0]
        while length != self._believed[worker]:
            heappop(self._sorted)
            length, worker = self._sorted[0]
        self._believe(worker, length + 1)
        self._in_flight[worker] += 1
        return worker

    def done(self, worker: int, gateway: int, now: float) -> None:
        self._in_flight[worker] -= 1

    def _believe(self, worker: int, length: int) -> None:
        self._believed[worker] = length
        heappush(self._sorted, (length, worker))
