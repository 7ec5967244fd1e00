"""A request's story as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from server.wire.sight import Explained, ExplainedAttempt, SeenCandidate

_HEAD = ("CANDIDATE", "OURS", "OTHERS", "SLOTS", "SPEED", "WAIT")
_STATES = {
    "running": "still running",
    "complete": "complete",
    "http_error": "refused with an HTTP error",
    "error_event": "broken off with an error event",
    "cancelled": "cancelled: its client left",
}


def in_words(told: Explained) -> str:
    events = ("", *_events(told)) if told.model else ()
    return "\n".join(map(_printable, (*_about(told), *events)))


def _printable(line: str) -> str:
    """Nothing that others wrote may speak to the terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def _about(told: Explained) -> Iterator[str]:
    came = datetime.fromtimestamp(told.began_at, UTC).isoformat(" ", "milliseconds")
    how = "streamed" if told.stream else "as a whole"
    yield f"{told.request_id}: {_STATES[told.state]}{_status(told)}"
    yield f"  came      {came}, {told.method} {told.path}, at {told.gateway}"
    if told.model:
        yield f"  asked     {told.model!r} {how}, in lane {told.lane}, {_key(told)}"
    else:
        yield f"  refused   before it came as far as a model, {_key(told)}"
    if told.field:
        yield f"  wrong     {told.field}"
    if told.served_model and told.served_model != told.model:
        yield f"  served    {told.served_model!r}"
    if told.usage is not None:
        usage = told.usage
        yield (
            f"  tokens    {usage.prompt_tokens} read, {usage.completion_tokens} written"
            f"{_speed(told)} ({usage.origin})"
        )
    if told.trace_id:
        yield f"  trace     {told.trace_id}"
    if told.same_id:
        yield f"  beware    {told.same_id} more had the same id; this is the latest"


def _status(told: Explained) -> str:
    parts = [str(told.status)] if told.status else []
    parts += [told.code] if told.code else []
    return f" ({' '.join(parts)})" if parts else ""


def _key(told: Explained) -> str:
    return f"with key {told.key}" if told.key else "without a key of its own"


def _speed(told: Explained) -> str:
    """Tokens a second from the first byte on: only a stream tells when that was."""
    if told.usage is None or not told.stream or told.whole_s is None or told.first_byte_s is None:
        return ""
    seconds = told.whole_s - told.first_byte_s
    return f", {told.usage.completion_tokens / seconds:.1f}/s" if seconds > 0 else ""


def _events(told: Explained) -> Iterator[str]:
    """In the order in which they happened."""
    events: list[tuple[float, list[str]]] = [(0.0, ["came"])]
    if told.admitted_s is not None:
        events.append((told.admitted_s, ["let in by limits and budgets"]))
    events += [(note.at_s, [note.words]) for note in told.notes]
    for number, attempt in enumerate(told.attempts, start=1):
        events.append((attempt.at_s, [_choice(attempt, number), *_table(attempt)]))
        if attempt.failed_s is not None:
            events.append((attempt.failed_s, [f"failed there: {attempt.trouble}: {attempt.cause}"]))
    if told.tries > len(told.attempts):
        more = f"{told.tries - len(told.attempts)} more attempts were not kept"
        events.append((told.attempts[-1].at_s, [more]))
    if told.first_byte_s is not None:
        events.append((told.first_byte_s, ["first byte sent on"]))
    if told.whole_s is not None:
        no_more = ["no retry: the budget for them was spent"] if told.retry_refused else []
        events.append((told.whole_s, [*no_more, f"ended: {_STATES[told.state]}"]))
    for at_s, (first, *rest) in sorted(events, key=lambda event: event[0]):
        yield f"  +{at_s:9.4f} s  {first}"
        yield from (f"{'':16}{line}" for line in rest)


def _choice(attempt: ExplainedAttempt, number: int) -> str:
    again = "" if number == 1 else f" (attempt {number})"
    only = "the only one free" if attempt.of == 1 else f"of {attempt.of} with room"
    return f"sent to {attempt.address} for {attempt.model!r}, {only}{again}"


def _table(attempt: ExplainedAttempt) -> Iterator[str]:
    if not attempt.candidates:
        return
    lines = [_HEAD, *map(_cells, attempt.candidates)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    for line in lines:
        yield _row(line, widths)
    if attempt.of > len(attempt.candidates):
        yield f"and {attempt.of - len(attempt.candidates)} more"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers = (
        cell.ljust(width) if at == 0 else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join((name, *numbers))


def _cells(candidate: SeenCandidate) -> tuple[str, ...]:
    return (
        candidate.address,
        str(candidate.mine),
        str(candidate.others),
        str(candidate.slots),
        f"{candidate.speed:g}",
        f"{candidate.wait:.2f}",
    )
