"""What is remembered of one request: noted as it goes by, made sense of only when somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from server.core.errors import RequestError
from server.gateway.sight.usage import Usage
from server.web.asgi import ClientLeft, Header
from server.wire.sight import Outcome

if TYPE_CHECKING:
    from server.core.dispatch import Candidate
    from server.gateway.breaker import Trouble
    from server.gateway.sight.counts import Series
    from server.gateway.sight.traces import Trace

MAX_CANDIDATES = 8
"""Kept of one choice; thousands of records are in memory."""
MAX_ATTEMPTS = 16
"""Kept of one request."""
MAX_CAUSE_CHARS = 300
MAX_NOTES = 32
FULL = "full"
"""The trouble of a worker that is in none: it had no room."""
NOBODY: tuple[Candidate, ...] = ()


class Attempt:
    """One worker that was asked."""

    __slots__ = (
        "address", "at", "candidates", "cause", "failed_at", "model", "of", "span_id", "trouble",
    )  # fmt: skip

    def __init__(
        self, address: str, model: str, candidates: Sequence[Candidate], of: int, at: float
    ) -> None:
        self.address = address
        self.model = model
        self.candidates = candidates
        self.of = of
        self.at = at
        self.failed_at: float | None = None
        self.trouble = ""
        self.cause = ""
        self.span_id = 0
        """Of the attempt, as its worker was told; 0: it was told none."""


Chosen: TypeAlias = tuple[str, str, Sequence["Candidate"], int, float]
"""What an `Attempt` is made of."""


class Record:
    """Made by `Sight.begin`, given back to `Sight.end`. All times are the clock's `monotonic`."""

    __slots__ = (
        "_attempts", "_chosen", "admitted_at", "began", "code", "ended_at",
        "first_byte_at", "key_id", "lane", "model", "notes", "now", "outcome", "path", "request_id",
        "retry_refused", "series", "status", "stream", "trace", "tries", "usage", "wall",
    )  # fmt: skip

    def __init__(
        self,
        request_id: str,
        path: str,
        model: str,
        stream: bool,
        lane: str,
        key_id: str,
        series: Series,
        trace: Trace | None,
        now: Callable[[], float],
        wall: float,
    ) -> None:
        self.request_id = request_id
        self.path = path
        self.model = model
        self.stream = stream
        self.lane = lane
        self.key_id = key_id
        self.series = series
        self.trace = trace
        self.wall = wall
        self.began = now()
        self.now = now
        self.admitted_at: float | None = None
        self.first_byte_at: float | None = None
        self.ended_at: float | None = None
        self.outcome: Outcome = "cancelled"
        self.status = 0
        self.code = ""
        self.usage: Usage | None = None
        self._attempts: tuple[Attempt, ...] = ()
        self._chosen: Chosen | None = None
        """The last attempt, while nobody has asked for it: of most requests nobody does."""
        self.tries = 0
        self.retry_refused = False
        self.notes: tuple[tuple[float, str], ...] = ()

    def admitted(self) -> None:
        """Limits and budgets let it in."""
        self.admitted_at = self.now()

    def chose(
        self,
        address: str,
        candidates: Sequence[Candidate] = NOBODY,
        model: str = "",
        at: float | None = None,
    ) -> None:
        """It goes to `address`, as `model` if that is another one than the client asked for; `at`:
        when, None for now.

        `candidates`: as they were; the record keeps the sequence, so do not change it afterwards.
        """
        if self.tries:
            self.write_out()
        of = len(candidates) or 1
        if of > MAX_CANDIDATES:
            candidates = _some(candidates, address)
        self.tries += 1
        self._chosen = (address, model or self.model, candidates, of, at or self.now())

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The first ones, and the last one."""
        self.write_out()
        return self._attempts

    def write_out(self) -> None:
        """Make the attempt that was only noted; before another thread asks for it."""
        if self._chosen is not None:
            chosen, self._chosen = self._chosen, None
            self._attempts = (*self._attempts[: MAX_ATTEMPTS - 1], Attempt(*chosen))

    def failed(self, address: str, trouble: Trouble | None, cause: BaseException | str) -> None:
        """The attempt at `address` came to nothing. `trouble` None: it was only full."""
        self.series.fail(trouble or FULL)
        for attempt in reversed(self.attempts):
            if attempt.address == address and attempt.failed_at is None:
                attempt.failed_at = self.now()
                attempt.trouble = trouble or FULL
                attempt.cause = str(cause)[:MAX_CAUSE_CHARS]
                return

    def note(self, words: str) -> None:
        """What seldom happens; nothing of what was said."""
        if len(self.notes) < MAX_NOTES:
            self.notes = (*self.notes, (self.now(), words[:MAX_CAUSE_CHARS]))

    def first_byte(self, at: float | None = None) -> None:
        """It is about to be sent to the client; `at`: when, None for now. Only the first call
        counts."""
        if self.first_byte_at is None:
            self.first_byte_at = at or self.now()

    def trace_headers(self) -> tuple[Header, ...]:
        """For the worker that was just chosen, with an id of their own for this attempt."""
        if self.trace is None:
            return ()
        return self.trace.headers(self.attempts[-1] if self.attempts else None)

    def ended(
        self, outcome: Outcome, status: int, code: str = "", usage: Usage | None = None
    ) -> None:
        """`status`: as the client saw it, 0 if it saw none. The last call counts."""
        self.outcome = outcome
        self.status = status
        self.code = code
        self.ended_at = self.now()
        if usage is not None:
            self.usage = usage

    def ended_by(self, error: BaseException) -> None:
        """What the client sees when `error` leaves the relay."""
        started = self.first_byte_at is not None
        if isinstance(error, ClientLeft | asyncio.CancelledError):
            self.ended("cancelled", 200 if started else 0)
            return
        status, code = 500, "internal_error"
        if isinstance(error, RequestError):
            status, code = error.status, error.code or error.type
            if not self.tries:  # so these are our own words, and no worker's
                self.note(f"refused: {error.message}")
        if started:
            self.ended("error_event", 200, code)
        else:
            self.ended("http_error", status, code)


def _some(candidates: Sequence[Candidate], address: str) -> Sequence[Candidate]:
    """The chosen one, and the first few of the others."""
    chosen = next((c for c in candidates if c.address == address), None)
    others = (c for c in candidates if c is not chosen)
    some = tuple(islice(others, MAX_CANDIDATES - 1))
    return some if chosen is None else (chosen, *some)
