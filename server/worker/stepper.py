"""Many jobs, one thread: each takes one step in turn, the urgent ones more often.

A job is a plain generator; one `next` is one step, for example one token. Nothing else touches
the model, so a job needs no locks, its random numbers are its own, and whose turn it is depends
on their lanes and customers alone (`turns.py`): a new interactive job waits for the step that is
under way. A job that its consumer left is closed before its next step.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Generic, TypeVar

from server.core.errors import Unavailable
from server.wire.lanes import Lane
from server.worker.turns import Turns

T = TypeVar("T")

MAX_AHEAD = 256
"""Results that may wait for a slow consumer before its job pauses."""
_JOIN_S = 5.0


class Stepper(Generic[T]):
    """`close` it; its thread is a daemon, so a process in trouble can still end."""

    def __init__(self, name: str, *, max_ahead: int = MAX_AHEAD) -> None:
        self._turns: Turns[_Job[T]] = Turns()
        self._changed = threading.Condition()
        self._closing = False
        self._max_ahead = max_ahead
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()
        self.steps_after_cancel = 0
        """Steps whose result nobody wanted any more; never more than one for each job."""

    async def run(
        self, steps: Iterator[T | None], lane: Lane = "normal", customer: str = ""
    ) -> AsyncGenerator[T, None]:
        """The results of `steps` that are not None. To leave is to cancel."""
        job = _Job(steps, lane, customer, asyncio.get_running_loop(), self._max_ahead)
        self._add(job)
        try:
            while True:
                result = await job.results.get()
                if isinstance(result, _End):
                    if result.error is not None:
                        raise result.error
                    return
                self._took_one(job)
                yield result
        finally:
            job.cancelled = True
            self._wake()

    def close(self) -> None:
        """Cancel every job and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_JOIN_S)

    def _add(self, job: _Job[T]) -> None:
        with self._changed:
            if self._closing:
                raise Unavailable("This worker is shutting down.", retry_after_s=1)
            self._turns.join(job)
            self._changed.notify()

    def _took_one(self, job: _Job[T]) -> None:
        with self._changed:
            was_paused = job.paused
            job.taken += 1
            if was_paused:
                self._changed.notify()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _work(self) -> None:
        while (job := self._next_job()) is not None:
            alive = job.step()
            self.steps_after_cancel += job.late
            if not alive:
                with self._changed:
                    self._turns.leave(job)
        for job in self._turns.jobs:
            job.fail(Unavailable("This worker is shutting down.", retry_after_s=1))
            job.close()

    def _next_job(self) -> _Job[T] | None:
        """The next job that can go on, waiting for one; None at the end."""
        with self._changed:
            while not self._closing:
                job = self._turns.next()
                if job is not None:
                    return job
                self._changed.wait()
            return None


class _End:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Job(Generic[T]):
    """`taken` and `cancelled` are written by the consumer, `made` by the thread."""

    def __init__(
        self,
        steps: Iterator[T | None],
        lane: Lane,
        customer: str,
        loop: asyncio.AbstractEventLoop,
        max_ahead: int,
    ) -> None:
        self.lane: Lane = lane
        self.customer = customer
        self.due = 0.0
        self._steps = steps
        self._loop = loop
        self._max_ahead = max_ahead
        self.results: asyncio.Queue[T | _End] = asyncio.Queue()
        self.made = 0
        self.taken = 0
        self.cancelled = False
        self.late = 0
        """1 after a step during which its consumer left."""

    @property
    def paused(self) -> bool:
        return self.made - self.taken >= self._max_ahead

    @property
    def opening(self) -> bool:
        return self.made == 0

    def step(self) -> bool:
        """Take one step, or close; False when it was the last."""
        if self.cancelled:
            self.late = 0
            self.close()
            return False
        try:
            result = next(self._steps)
        except StopIteration:
            self._put(_End())
            return False
        except BaseException as error:  # whatever it is, it belongs to the consumer  # noqa: BLE001
            self.fail(error)
            return False
        self.late = int(self.cancelled)
        if result is not None:
            self.made += 1
            self._put(result)
        return True

    def fail(self, error: BaseException) -> None:
        self._put(_End(error))

    def close(self) -> None:
        """Let go of what the job holds."""
        close: Callable[[], None] | None = getattr(self._steps, "close", None)
        if close is not None:
            close()

    def _put(self, result: T | _End) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.results.put_nowait, result)
