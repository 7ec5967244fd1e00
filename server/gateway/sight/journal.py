"""The last requests, so that an operator can ask what became of one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from server.core.dispatch import Candidate, wait_of
from server.gateway.sight.record import Attempt, Record
from server.wire.sight import (
    Explained,
    ExplainedAttempt,
    ExplainedNote,
    ExplainedUsage,
    SeenCandidate,
)

KEPT = 2000
KEPT_REFUSED = 1000
"""Apart from the others: whoever knocks at the door all day pushes none of them out."""
MAX_PATH_CHARS = 200


class Refusal(NamedTuple):
    """A request that never came as far as a model."""

    request_id: str
    method: str
    path: str
    status: int
    code: str
    key_id: str
    """Empty: it brought none that is known."""
    field: str
    """What was wrong, if the code does not say it; one of our own words."""
    began: float
    """As `monotonic` says."""
    wall: float


class Journal:
    """Finding one is a search: it is rare, and so a record costs one `append`."""

    def __init__(self, gateway: str, kept: int = KEPT) -> None:
        self._gateway = gateway
        self.running: set[Record] = set()
        self.ended: deque[Record] = deque(maxlen=kept)
        self.refused: deque[Refusal] = deque(maxlen=KEPT_REFUSED)

    def explain(self, request_id: str) -> Explained | None:
        """The latest request of that id, None if there is none (any more)."""
        found = [record for record in self._all() if record.request_id == request_id]
        if not found:
            return None
        latest, others = max(found, key=lambda record: record.began), len(found) - 1
        if isinstance(latest, Refusal):
            return self._explained_refusal(latest, others)
        return self._explained(latest, others)

    def _all(self) -> Iterator[Record | Refusal]:
        yield from self.running
        yield from self.ended
        yield from self.refused

    def _explained_refusal(self, refusal: Refusal, same_id: int) -> Explained:
        return Explained(
            request_id=refusal.request_id,
            gateway=self._gateway,
            method=refusal.method,
            path=refusal.path,
            model="",
            served_model="",
            key=refusal.key_id,
            lane="",
            stream=False,
            began_at=refusal.wall,
            state="http_error",
            status=refusal.status,
            code=refusal.code,
            field=refusal.field,
            admitted_s=None,
            first_byte_s=None,
            whole_s=None,
            same_id=same_id,
        )

    def _explained(self, record: Record, same_id: int) -> Explained:
        def since(at: float | None) -> float | None:
            return None if at is None else round(at - record.began, 6)

        running = record in self.running
        return Explained(
            request_id=record.request_id,
            gateway=self._gateway,
            path=record.path,
            model=record.model,
            served_model=record.attempts[-1].model if record.attempts else "",
            key=record.key_id,
            lane=record.lane,
            stream=record.stream,
            began_at=record.wall,
            state="running" if running else record.outcome,
            status=record.status,
            code=record.code,
            admitted_s=since(record.admitted_at),
            first_byte_s=since(record.first_byte_at),
            whole_s=since(record.ended_at),
            attempts=tuple(_attempt(attempt, record) for attempt in record.attempts),
            tries=record.tries,
            retry_refused=record.retry_refused,
            notes=tuple(
                ExplainedNote(at_s=round(at - record.began, 6), words=words)
                for at, words in record.notes
            ),
            usage=_usage(record),
            trace_id=record.trace.trace_id if record.trace else "",
            same_id=same_id,
        )


def _attempt(attempt: Attempt, record: Record) -> ExplainedAttempt:
    chosen_first = sorted(attempt.candidates, key=lambda c: c.address != attempt.address)
    failed_at = attempt.failed_at
    return ExplainedAttempt(
        at_s=round(attempt.at - record.began, 6),
        address=attempt.address,
        model=attempt.model,
        of=attempt.of,
        candidates=tuple(map(_candidate, chosen_first)),
        failed_s=None if failed_at is None else round(failed_at - record.began, 6),
        trouble=attempt.trouble,
        cause=attempt.cause,
    )


def _candidate(candidate: Candidate) -> SeenCandidate:
    return SeenCandidate(
        address=candidate.address,
        mine=candidate.mine,
        others=candidate.others,
        slots=candidate.slots,
        speed=candidate.speed,
        wait=round(wait_of(candidate), 4),
    )


def _usage(record: Record) -> ExplainedUsage | None:
    used = record.usage
    if used is None:
        return None
    return ExplainedUsage(
        prompt_tokens=used.prompt_tokens,
        completion_tokens=used.completion_tokens,
        origin=used.origin,
    )
