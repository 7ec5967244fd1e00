from __future__ import annotations

import asyncio
import gc
import timeit

from server.core.clock import SystemClock
from server.core.dispatch import Candidate
from server.gateway.sight.roll import Roll
from server.gateway.sight.usage import Usage
from server.gateway.worker import Worker
from server.wire.fleet import Load, WorkerView
from tests.gateway.sight.seen import A, B, a_request, a_sight, refuse, serve

MOST_US = 40.0
"""Over ten times what it takes on a quiet machine: a busy one must not fail the test."""


def view(address: str, **more: object) -> WorkerView:
    load = Load(running=2, waiting=5, by_lane={"batch": 4}, cancelled=7, tokens_after_cancel=6)
    fields = {"address": address, "generation": "g", "models": ("m",), "slots": 2, "load": load}
    return WorkerView.model_validate(fields | more)


def test_a_request_costs_few_microseconds() -> None:
    sight = a_sight()
    sight._now, sight._wall = SystemClock().monotonic, SystemClock().wall
    seen = [Candidate(A), Candidate(B)]
    headers = [(b"host", b"x"), (b"authorization", b"x"), (b"content-type", b"x")] * 3
    usage = Usage(10, 20, "reported")

    def one() -> None:
        record = a_request(sight, headers=headers, stream=True)
        record.chose(A, seen)
        record.trace_headers()
        record.first_byte()
        record.ended("complete", 200, usage=usage)
        sight.end(record)

    assert min(timeit.repeat(one, number=2000, repeat=5)) / 2000 * 1e6 < MOST_US


def test_nothing_is_kept_beyond_the_last_requests() -> None:
    """BOUND: what ends is let go of, and holds no exception and no frame."""
    sight = a_sight()

    def some(count: int) -> None:
        for number in range(count):
            record = a_request(sight, f"req-{number}", model=f"unknown-{number}")
            record.chose(A, [Candidate(A)])
            record.failed(A, "lost", ValueError("x" * 5000))
            record.ended_by(ValueError("x"))
            sight.end(record)

    some(3000)
    gc.collect()
    before = len(gc.get_objects())
    some(10_000)
    gc.collect()
    assert len(gc.get_objects()) < before + 500


def test_the_fleet_is_told_as_the_gateway_knows_it() -> None:
    (numbers,) = Roll().numbers([Worker(view(A), "gw")])
    assert numbers.model_dump() == {
        "name": A,
        "addresses": (A,),
        "models": ("m",),
        "state": "ready",
        "breaker": "closed",
        "in_flight": 0,
        "served": 0,
        "failed": 0,
        "running": 2,
        "waiting": {"interactive": 0, "normal": 0, "batch": 4, "other": 1},
        "slots": 2,
        "queue": 32,
        "cancelled": 7,
        "tokens_after_cancel": 6,
        "generated_tokens": 0,
    }


def test_a_fastchat_worker_does_not_tell_what_it_wasted() -> None:
    (numbers,) = Roll().numbers([Worker(view(A, protocol="fastchat"), "gw")])
    assert (numbers.cancelled, numbers.tokens_after_cancel) == (None, None)


def test_a_request_that_failed_on_its_way_in_is_counted_too() -> None:
    sight = a_sight()
    refuse(sight)
    (refused,) = sight.numbers().refused
    assert (refused.outcome, refused.status, refused.code) == ("http_error", 400, "invalid_json")


def test_two_requests_with_one_id_do_not_end_each_other() -> None:
    sight = a_sight()
    first, second = a_request(sight), a_request(sight)
    first.ended("complete", 200)
    sight.end(first)
    assert sight.numbers().series[0].in_flight == 1
    sight.end(second)
    assert sight.numbers().series[0].in_flight == 0


def test_the_body_of_the_metrics_is_made_beside_the_event_loop() -> None:
    sight = a_sight()
    serve(sight)
    assert b"shortline_requests_total" in asyncio.run(sight.metrics())
