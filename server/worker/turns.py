"""Whose turn it is among jobs that share one thread.

Each job has a time of its own, at which its next step is due, and steps move it on: by little in
an urgent lane, by more in another one (stride scheduling, Waldspurger & Weihl 1995). So every job
goes on, four times as fast in `interactive` as in `batch`. What a lane gets is shared equally by
the customers that have jobs in it, and by each of them among its own. A newcomer's first step is
due like everybody's next one; many short jobs in a row can not hold up a long one.

The first words of an interactive answer are the exception: its steps up to them go before all
others, three in a row at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar

from server.wire.lanes import Lane

_STEPS: Final[dict[Lane, int]] = {"interactive": 4, "normal": 2, "batch": 1}
"""In the same time, where all of them can go on."""
OPENING_STEPS: Final = 3
"""In a row for those whose first words are awaited, while others could go on."""


class Turning(Protocol):
    """What a job shows of itself."""

    lane: Lane
    customer: str
    due: float
    """Belongs to `Turns`."""
    cancelled: bool
    """It has one more turn, at once: to be closed."""

    @property
    def paused(self) -> bool: ...
    @property
    def opening(self) -> bool:
        """Nothing has come of it yet."""


J = TypeVar("J", bound=Turning)


class Turns(Generic[J]):
    """Not safe to be shared between threads."""

    def __init__(self) -> None:
        self.jobs: list[J] = []
        """Who had no turn for longest comes first."""
        self._now = 0.0
        self._in_a_row = 0

    def join(self, job: J) -> None:
        self.jobs.append(job)
        job.due = self._now + self._stride(job)

    def leave(self, job: J) -> None:
        self.jobs.remove(job)

    def next(self) -> J | None:
        """Who takes a step now; None if nobody can."""
        ready = [job for job in self.jobs if job.cancelled or not job.paused]
        if not ready:
            return None
        job = self._choose(ready)
        self.jobs.remove(job)
        self.jobs.append(job)
        return job

    def _choose(self, ready: Sequence[J]) -> J:
        for job in ready:
            if job.cancelled:
                return job
        awaited = [job for job in ready if job.opening and job.lane == "interactive"]
        others = [job for job in ready if not (job.opening and job.lane == "interactive")]
        if awaited and (not others or self._in_a_row < OPENING_STEPS):
            self._in_a_row = self._in_a_row + 1 if others else 0
            return awaited[0]
        self._in_a_row = 0
        job = min(others, key=lambda other: other.due)
        self._now = max(self._now, job.due)
        job.due = self._now + self._stride(job)
        return job

    def _stride(self, job: J) -> float:
        """From one step of it to the next: longer if its customer has more jobs than others have,
        so that the lane as a whole moves as fast as its jobs would without that."""
        customers = [other.customer for other in self.jobs if other.lane == job.lane]
        equal = len(customers) / len(set(customers))
        return customers.count(job.customer) / equal / _STEPS[job.lane]
