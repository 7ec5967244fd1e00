"""W3C trace context: what a client's `traceparent` says, and what the workers are told.

https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from random import getrandbits, random
from typing import TYPE_CHECKING

from server.web.asgi import Header, found_in

if TYPE_CHECKING:
    from server.gateway.sight.record import Attempt

TRACEPARENT = b"traceparent"
TRACESTATE = b"tracestate"
MAX_STATE_BYTES = 512
_FORM = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_FORBIDDEN_VERSION = b"ff"
_VERSION = b"00"
_SAMPLED = 0x01
_FLAGS = 0x03
"""`sampled` and `random-trace-id`; what the others will mean is not for us to say."""


class Trace:
    """One request's place in a trace. `parent_id` 0: it begins here."""

    __slots__ = ("flags", "parent_id", "span_id", "state", "trace_id")

    def __init__(self, trace_id: str, parent_id: int, flags: int, state: bytes) -> None:
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.flags = flags
        self.state = state
        self.span_id = new_span_id()

    @property
    def sampled(self) -> bool:
        return bool(self.flags & _SAMPLED)

    def headers(self, attempt: Attempt | None) -> tuple[Header, ...]:
        """What a worker is told: the same trace, and a span id for this attempt."""
        span_id = self.span_id
        if attempt is not None:
            attempt.span_id = span_id = new_span_id()
        parent: Header = (
            TRACEPARENT,
            f"00-{self.trace_id}-{span_id:016x}-{self.flags:02x}".encode(),
        )
        return (parent, (TRACESTATE, self.state)) if self.state else (parent,)


def trace_of(headers: Iterable[Header], sample: float | None = None) -> Trace | None:
    """The trace that a request belongs to, None if it belongs to none.

    One is begun for a request without a valid `traceparent` only where `sample` says so: its
    share of those that are recorded, None: tracing is off.
    """
    said = found_in(headers, _said)
    if said is not None and (trace := read_parent(*said)) is not None:
        return trace
    return None if sample is None else begin_trace(sample)


def _said(headers: Iterable[Header]) -> tuple[bytes, list[bytes]] | None:
    """The parent, and the states as they came; None where there is no parent, or are several."""
    parents = [value for name, value in headers if name == TRACEPARENT]
    if len(parents) != 1:
        return None
    return parents[0], [value for name, value in headers if name == TRACESTATE]


def read_parent(value: bytes, states: Iterable[bytes] = ()) -> Trace | None:
    """None for a value that the specification does not allow: it is as good as absent."""
    match = _FORM.fullmatch(value)
    if match is None:
        return None
    version, trace_id, parent, flags, more = match.groups()
    if version == _FORBIDDEN_VERSION or (version == _VERSION and more is not None):
        return None
    if not int(trace_id, 16) or not int(parent, 16):
        return None
    state = b",".join(states)
    if len(state) > MAX_STATE_BYTES or not state.isascii():
        state = b""
    return Trace(trace_id.decode(), int(parent, 16), int(flags, 16) & _FLAGS, state)


def begin_trace(sample: float, draw: Callable[[], float] = random) -> Trace:
    """A new one. `sample`: its chance to be recorded."""
    trace_id = f"{getrandbits(128) or 1:032x}"
    return Trace(trace_id, 0, _SAMPLED if draw() < sample else 0, b"")


def new_span_id() -> int:
    return getrandbits(64) or 1
