"""The workers that this gateway has known, by names that outlive their processes.

A worker that is started again has another port. Its counters go on under its name, and those of
one that is gone stay: a counter that vanishes, or falls, is a lie to Prometheus's `rate`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Final

from server.gateway.sight.counts import OTHER
from server.gateway.worker import Worker
from server.wire.fleet import Load, State
from server.wire.lanes import LANES
from server.wire.sight import WorkerNumbers

MAX_GONE: Final = 256
"""Names that are remembered though nobody has them now; of more, the oldest are forgotten."""
MAX_PAST: Final = 4
"""Processes of one name that have gone and may still have to count how a last request ended."""
BEST_FIRST: Final[tuple[State, ...]] = ("ready", "suspect", "draining")
WORST_FIRST: Final = ("open", "half_open", "closed")


class Entry:
    """One name. Usually one worker has it; several are added up."""

    __slots__ = ("_failed", "_past", "_served", "here", "last")

    def __init__(self) -> None:
        self.here: list[Worker] = []
        self.last: Worker | None = None
        """The one that was here last, if none is."""
        self._past: deque[Worker] = deque()
        self._served = 0
        self._failed = 0

    def look(self, workers: list[Worker]) -> None:
        for worker in self.here:
            if worker not in workers:
                self.last = worker
                self._past.append(worker)
        while len(self._past) > MAX_PAST:
            tally = self._past.popleft().tally
            self._served += tally.served
            self._failed += tally.failed
        self.here = workers

    @property
    def served(self) -> int:
        return self._served + sum(worker.tally.served for worker in (*self._past, *self.here))

    @property
    def failed(self) -> int:
        return self._failed + sum(worker.tally.failed for worker in (*self._past, *self.here))

    def numbers(self, name: str, now: float) -> WorkerNumbers:
        here, views = self.here, [worker.view for worker in self.here]
        loads = [view.load for view in views]
        telling = here or ([self.last] if self.last else [])
        said = [worker.view.load for worker in telling if worker.view.protocol == "openai"]
        breakers = {worker.breaker_state(now) for worker in here}
        return WorkerNumbers(
            name=name,
            addresses=tuple(view.address for view in views),
            models=tuple(dict.fromkeys(model for view in views for model in view.models)),
            state=next((s for s in BEST_FIRST if s in {view.state for view in views}), "gone"),
            breaker=next((s for s in WORST_FIRST if s in breakers), "closed"),
            in_flight=sum(len(worker.leases) for worker in here),
            served=self.served,
            failed=self.failed,
            running=sum(load.running for load in loads),
            waiting=_waiting(loads),
            slots=sum(view.slots for view in views),
            queue=sum(view.queue for view in views),
            cancelled=_sum(load.cancelled for load in said),
            tokens_after_cancel=_sum(load.tokens_after_cancel for load in said),
            generated_tokens=_sum(load.generated for load in said),
        )


class Roll:
    """`look` whenever the fleet has changed: who came and went unseen is not counted."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._entries: dict[str, Entry] = {}

    def look(self, workers: Iterable[Worker]) -> None:
        """`workers` are all that are there now."""
        here: dict[str, list[Worker]] = {}
        for worker in workers:
            here.setdefault(worker.view.label, []).append(worker)
        for name in here.keys() - self._entries.keys():
            self._entries[name] = Entry()
        for name, entry in self._entries.items():
            entry.look(here.get(name, []))
        gone = [name for name, entry in self._entries.items() if not entry.here]
        for name in gone[: max(0, len(gone) - MAX_GONE)]:
            del self._entries[name]

    def numbers(self, workers: Iterable[Worker]) -> tuple[WorkerNumbers, ...]:
        """Of those that are there, and of those that were."""
        self.look(workers)
        now = self._now()
        return tuple(entry.numbers(name, now) for name, entry in self._entries.items())


def _sum(counts: Iterable[int]) -> int | None:
    """None where nobody tells."""
    told = list(counts)
    return sum(told) if told else None


def _waiting(loads: Iterable[Load]) -> dict[str, int]:
    """By lane; a worker that knows no lanes says only how many."""
    found: dict[str, int] = dict.fromkeys((*LANES, OTHER), 0)
    for load in loads:
        for lane in LANES:
            found[lane] += load.by_lane.get(lane, 0)
        found[OTHER] += max(0, load.waiting - sum(load.by_lane.values()))
    return found
