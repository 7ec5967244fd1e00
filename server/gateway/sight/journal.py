"""The last requests, so that an operator can ask what became of one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from server.core.dispatch import Candidate, wait_of
from server.gateway.sight.record import Attempt, Record
from server.wire.sight import Explained, ExplainedAttempt, ExplainedUsage, SeenCandidate

KEPT = 2000


class Journal:
    """Finding one is a search: it is rare, and so a record costs one `append`."""

    def __init__(self, gateway: str, kept: int = KEPT) -> None:
        self._gateway = gateway
        self.running: set[Record] = set()
        self.ended: deque[Record] = deque(maxlen=kept)

    def explain(self, request_id: str) -> Explained | None:
        """The latest request of that id, None if there is none (any more)."""
        found = [record for record in self._all() if record.request_id == request_id]
        if not found:
            return None
        return self._explained(max(found, key=lambda record: record.began), len(found) - 1)

    def _all(self) -> Iterator[Record]:
        yield from self.running
        yield from self.ended

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
    if record.usage is None:
        return None
    prompt, completion, origin = record.usage
    return ExplainedUsage(prompt_tokens=prompt, completion_tokens=completion, origin=origin)
