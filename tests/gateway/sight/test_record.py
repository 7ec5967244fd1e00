from __future__ import annotations

import asyncio

import pytest

from server.core.errors import ModelNotFound, Overloaded, ShortlineError, WorkerLost
from server.gateway.sight.record import MAX_ATTEMPTS, MAX_CANDIDATES, MAX_CAUSE_CHARS, Record
from server.web.asgi import ClientLeft
from tests.fakes.clock import ManualClock
from tests.gateway.sight.seen import A, B, a_request, a_sight, candidates


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def record(clock: ManualClock) -> Record:
    return a_request(a_sight(clock), stream=True)


def test_it_remembers_when_things_happened(clock: ManualClock, record: Record) -> None:
    for happens in (record.admitted, lambda: record.chose(A), record.first_byte):
        clock.advance(1)
        happens()
    clock.advance(1)
    record.ended("complete", 200)
    times = (record.admitted_at, record.attempts[0].at, record.first_byte_at, record.ended_at)
    assert [at and at - record.began for at in times] == [1, 2, 3, 4]


def test_only_the_first_first_byte_counts(clock: ManualClock, record: Record) -> None:
    record.first_byte()
    clock.advance(5)
    record.first_byte()
    assert record.first_byte_at == record.began


def test_a_failure_belongs_to_the_attempt_at_that_address(record: Record) -> None:
    record.chose(A)
    record.failed(A, "refused", "nobody listens")
    record.chose(B, candidates(A, B), model="n")
    first, second = record.attempts
    assert (first.trouble, first.cause, second.failed_at) == ("refused", "nobody listens", None)
    assert (first.model, second.model, second.of) == ("m", "n", 2)


def test_one_that_was_only_full_is_in_no_trouble(record: Record) -> None:
    record.chose(A)
    record.failed(A, None, "429")
    assert record.attempts[0].trouble == "full"


def test_a_failure_of_nobody_is_no_error(record: Record) -> None:
    record.failed(A, "lost", "x")
    assert record.attempts == ()


def test_the_cause_is_kept_as_words_and_not_too_many(record: Record) -> None:
    record.chose(A)
    record.failed(A, "lost", ShortlineError("x" * 10_000))
    assert record.attempts[0].cause == "x" * MAX_CAUSE_CHARS


def test_of_many_candidates_the_chosen_one_is_kept(record: Record) -> None:
    addresses = [f"http://127.0.0.1:{port}" for port in range(1000, 1100)]
    record.chose(addresses[70], candidates(*addresses))
    (attempt,) = record.attempts
    assert attempt.of == 100
    assert [c.address for c in attempt.candidates] == [addresses[70], *addresses[:7]]
    assert len(attempt.candidates) == MAX_CANDIDATES


def test_an_attempt_is_the_same_one_whenever_it_is_asked_for(record: Record) -> None:
    record.chose(A)
    (first,) = record.attempts
    record.chose(B)
    record.chose(A)
    assert record.attempts[0] is first
    assert [attempt.address for attempt in record.attempts] == [A, B, A]


def test_of_many_attempts_the_last_one_is_kept(record: Record) -> None:
    for port in range(100):
        record.chose(f"http://127.0.0.1:{port}")
        record.failed(f"http://127.0.0.1:{port}", "refused", "x")
    assert (record.tries, len(record.attempts)) == (100, MAX_ATTEMPTS)
    assert record.attempts[-1].address == "http://127.0.0.1:99"
    assert record.series.failures == {"refused": 100}


@pytest.mark.parametrize(
    ("error", "before", "after"),
    [
        (ClientLeft(), ("cancelled", 0, ""), ("cancelled", 200, "")),
        (asyncio.CancelledError(), ("cancelled", 0, ""), ("cancelled", 200, "")),
        (
            Overloaded("full"),
            ("http_error", 429, "overloaded"),
            ("error_event", 200, "overloaded"),
        ),
        (
            WorkerLost("lost"),
            ("http_error", 502, "worker_lost"),
            ("error_event", 200, "worker_lost"),
        ),
        (
            ModelNotFound("what?"),
            ("http_error", 404, "model_not_found"),
            ("error_event", 200, "model_not_found"),
        ),
        (
            ZeroDivisionError(),
            ("http_error", 500, "internal_error"),
            ("error_event", 200, "internal_error"),
        ),
    ],
)
def test_an_error_ends_it_as_the_client_sees_it(
    record: Record, error: BaseException, before: object, after: object
) -> None:
    record.ended_by(error)
    assert (record.outcome, record.status, record.code) == before
    record.first_byte()
    record.ended_by(error)
    assert (record.outcome, record.status, record.code) == after
