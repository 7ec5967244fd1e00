from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.gateway.sight.traces import begin_trace, read_parent, trace_of
from tests.gateway.sight.seen import A, B, a_request, a_sight

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_clients_trace_goes_on_with_an_id_of_our_own() -> None:
    record = a_request(a_sight(), headers=[(b"host", b"x"), (b"traceparent", PARENT)])
    record.chose(A)
    ((name, value),) = record.trace_headers()
    version, trace_id, span_id, flags = value.decode().split("-")
    assert (name, version, trace_id, flags) == (b"traceparent", "00", TRACE_ID, "01")
    assert len(span_id) == 16
    assert span_id != "b7ad6b7169203331"


def test_each_attempt_has_an_id_of_its_own() -> None:
    record = a_request(a_sight(), headers=[(b"traceparent", PARENT)])
    told = []
    for address in (A, B):
        record.chose(address)
        ((_, value),) = record.trace_headers()
        told.append(int(value.split(b"-")[2], 16))
    assert told == [attempt.span_id for attempt in record.attempts]
    assert len({*told, record.trace and record.trace.span_id}) == 3


def test_the_state_goes_with_it() -> None:
    headers = [(b"tracestate", b"a=1"), (b"traceparent", PARENT), (b"tracestate", b"b=2")]
    record = a_request(a_sight(), headers=headers)
    assert record.trace_headers()[1:] == ((b"tracestate", b"a=1,b=2"),)


def test_a_state_that_is_too_long_or_strange_stays_behind() -> None:
    for state in (b"a=" + b"x" * 512, b"a=\xff"):
        trace = trace_of([(b"traceparent", PARENT), (b"tracestate", state)])
        assert trace is not None
        assert trace.state == b""


def test_without_one_none_is_made_unless_tracing_is_on() -> None:
    record = a_request(a_sight(), headers=[(b"host", b"x"), (b"tracestate", b"a=1")])
    assert record.trace is None
    assert record.trace_headers() == ()
    assert trace_of([], sample=1.0) is not None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00",
        PARENT.upper(),
        PARENT[:-1],
        PARENT + b"-",
        PARENT + b"0",
        PARENT + b"\n",
        b" " + PARENT,
        b"ff" + PARENT[2:],
        b"0g" + PARENT[2:],
        PARENT.replace(TRACE_ID.encode(), b"0" * 32),
        PARENT.replace(b"b7ad6b7169203331", b"0" * 16),
        PARENT.replace(b"-", b"_"),
        b"00-" + b"\xff" * 32 + b"-b7ad6b7169203331-01",
        PARENT * 1000,
    ],
)
def test_what_the_standard_does_not_allow_is_as_good_as_absent(value: bytes) -> None:
    assert read_parent(value) is None
    assert trace_of([(b"traceparent", value)]) is None


def test_two_parents_are_none() -> None:
    assert trace_of([(b"traceparent", PARENT), (b"traceparent", PARENT)]) is None


def test_a_later_version_may_say_more_at_its_end() -> None:
    trace = read_parent(b"cc" + PARENT[2:] + b"-what-the-future-holds")
    assert trace and (trace.trace_id, trace.sampled) == (TRACE_ID, True)
    assert read_parent(b"cc" + PARENT[2:] + b"what") is None


@given(version=st.integers(0, 254), flags=st.integers(0, 255))
def test_only_the_flags_that_are_known_are_passed_on(version: int, flags: int) -> None:
    value = f"{version:02x}-{TRACE_ID}-b7ad6b7169203331-{flags:02x}".encode()
    trace = read_parent(value)
    assert trace is not None
    ((_, told),) = trace.headers(None)
    assert told.endswith(f"-{flags & 3:02x}".encode())
    assert trace.sampled == bool(flags & 1)


@given(st.binary(max_size=80))
def test_what_is_passed_on_is_always_valid(value: bytes) -> None:
    trace = trace_of([(b"traceparent", value)], sample=1.0)
    assert trace is not None
    ((_, told),) = trace.headers(None)
    again = read_parent(told)
    assert again and again.trace_id == trace.trace_id


def test_a_share_of_new_traces_is_recorded() -> None:
    assert begin_trace(0.3, lambda: 0.29).sampled
    assert not begin_trace(0.3, lambda: 0.3).sampled
    assert not begin_trace(0.0).sampled
    assert begin_trace(1.0).sampled
