from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.gateway.sight.metrics import exposition, process_numbers
from server.gateway.sight.usage import Usage
from server.wire.sight import Ended, GatewayNumbers
from tests.fakes.clock import ManualClock
from tests.gateway.sight.seen import A, B, a_request, a_sight, refuse, serve, worker

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(body: bytes) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def at(found: Samples, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


GW = {"gateway": "gw"}
M = {**GW, "model": "m", "lane": "normal"}


def test_requests_are_counted_by_how_they_ended() -> None:
    sight = a_sight()
    serve(sight)
    serve(sight)
    record = a_request(sight)
    record.ended("http_error", 429, "rate_limit_exceeded")
    sight.end(record)
    a_request(sight)
    refuse(sight, 401, "invalid_api_key")
    found = samples(exposition([sight.numbers()]))
    name = "shortline_requests_total"
    assert at(found, name, **M, outcome="complete", status="200", code="") == 2
    refused = {"outcome": "http_error", "status": "429", "code": "rate_limit_exceeded"}
    assert at(found, name, **M, **refused) == 1
    assert at(found, "shortline_requests_in_flight", **M) == 1
    name = "shortline_requests_refused_total"
    assert at(found, name, **GW, status="401", code="invalid_api_key") == 1


def test_a_histogram_adds_its_buckets_up() -> None:
    clock = ManualClock()
    sight = a_sight(clock)
    for seconds in (0.001, 0.3, 0.3, 1000):
        record = a_request(sight)
        clock.advance(seconds)
        record.ended("complete", 200)
        sight.end(record)
    found = samples(exposition([sight.numbers()]))
    name = "shortline_request_seconds"
    counts = {
        le: at(found, f"{name}_bucket", **M, le=le) for le in ("0.005", "0.25", "0.5", "+Inf")
    }
    assert counts == {"0.005": 1, "0.25": 1, "0.5": 3, "+Inf": 4}
    assert at(found, f"{name}_count", **M) == 4
    assert at(found, f"{name}_sum", **M) == pytest.approx(1000.601)


def test_tokens_attempts_and_retries() -> None:
    sight = a_sight()
    record = a_request(sight)
    record.chose(A)
    record.failed(A, "late", "x")
    record.chose(B)
    record.ended("complete", 200, usage=Usage(7, 8, "corrected"))
    sight.end(record)
    found = samples(exposition([sight.numbers()]))
    name = "shortline_tokens_total"
    assert at(found, name, **M, kind="prompt", origin="corrected") == 7
    assert at(found, name, **M, kind="completion", origin="corrected") == 8
    assert at(found, "shortline_upstream_attempts_total", **M) == 2
    assert at(found, "shortline_upstream_retries_total", **M) == 1
    assert at(found, "shortline_upstream_failures_total", **M, trouble="late") == 1


def test_the_fleet_is_looked_at_when_it_is_asked_for() -> None:
    fleet = [worker(state="suspect", breaker="half_open", models=("m", "n"))]
    sight = a_sight(workers=lambda: fleet, retries_refused=lambda: 3)
    fleet.append(worker(name=B, cancelled=9, tokens_after_cancel=4, generated_tokens=500))
    found = samples(exposition([sight.numbers()]))
    assert at(found, "shortline_retries_refused_total", **GW) == 3
    states = {
        s: at(found, "shortline_worker_state", worker=A, state=s) for s in ("ready", "suspect")
    }
    assert states == {"ready": 0, "suspect": 1}
    assert at(found, "shortline_worker_breaker", **GW, worker=A, state="half_open") == 1
    assert at(found, "shortline_worker_breaker", **GW, worker=B, state="closed") == 1
    assert at(found, "shortline_worker_serves", worker=A, model="n") == 1
    assert at(found, "shortline_worker_info", worker=B, address=A) == 1
    for name, value in {"running": 5, "slots": 4, "queue": 32}.items():
        assert at(found, f"shortline_worker_{name}", worker=A) == value
    for name, value in {"in_flight": 1, "served_total": 10, "failed_total": 2}.items():
        assert at(found, f"shortline_worker_{name}", **GW, worker=A) == value
    assert at(found, "shortline_worker_waiting", worker=A, lane="normal") == 7
    assert at(found, "shortline_worker_cancelled_total", worker=B) == 9
    assert at(found, "shortline_worker_tokens_after_cancel_total", worker=B) == 4
    assert at(found, "shortline_worker_generated_tokens_total", worker=B) == 500


def test_what_a_worker_does_not_tell_is_not_zero() -> None:
    numbers = GatewayNumbers(gateway="gw", workers=(worker(cancelled=None),))
    assert ("shortline_worker_cancelled_total", (("worker", A),)) not in samples(
        exposition([numbers])
    )


def test_no_name_can_write_a_line_of_its_own() -> None:
    name = 'a"} 1\nevil_total{x="\\'
    ended = (Ended(outcome="http_error", status=400, code=name, count=1),)
    found = samples(
        exposition([GatewayNumbers(gateway=name, workers=(worker(models=(name,)),), refused=ended)])
    )
    assert at(found, "shortline_worker_serves", worker=A, model=name) == 1
    assert at(found, "shortline_requests_refused_total", gateway=name, status="400", code=name) == 1
    assert not any(metric.startswith("evil") for metric, _ in found)


def test_this_process_is_measured() -> None:
    numbers = process_numbers()
    assert numbers["process_resident_memory_bytes"] > 2**20
    assert numbers["process_cpu_seconds_total"] > 0
    found = samples(exposition([GatewayNumbers(gateway="gw", process=numbers)]))
    for name, value in numbers.items():
        assert at(found, name, **GW) == value


def test_an_empty_gateway_has_metrics_too() -> None:
    found = samples(exposition([GatewayNumbers(gateway="gw")]))
    assert at(found, "shortline_retries_refused_total", **GW) == 0


def test_several_gateways_are_told_apart() -> None:
    """A sum would fall when one of them restarts, which looks like a leap."""
    here, there = a_sight(gateway="gw-1"), a_sight(gateway="gw-2")
    serve(here)
    serve(there)
    serve(there)
    found = samples(asyncio.run(here.metrics([there.numbers()])))
    ended = {"model": "m", "lane": "normal", "outcome": "complete", "status": "200", "code": ""}
    counts = [
        at(found, "shortline_requests_total", gateway=gateway, **ended)
        for gateway in ("gw-1", "gw-2")
    ]
    assert counts == [1, 2]


def test_a_worker_is_told_once_and_what_each_gateway_finds_of_it_apart() -> None:
    body = exposition(
        [
            GatewayNumbers(gateway="gw-1", workers=(worker(running=5),)),
            GatewayNumbers(
                gateway="gw-2", workers=(worker(running=4, breaker="open"), worker(name=B))
            ),
        ]
    )
    assert body.count(b"shortline_worker_running{") == 2
    found = samples(body)
    assert at(found, "shortline_worker_running", worker=A) == 5
    breaker = {"worker": A, "state": "open"}
    assert at(found, "shortline_worker_breaker", gateway="gw-1", **breaker) == 0
    assert at(found, "shortline_worker_breaker", gateway="gw-2", **breaker) == 1


def test_no_gateway_is_told_twice() -> None:
    one, same = GatewayNumbers(gateway="gw", retries_refused=1), GatewayNumbers(gateway="gw")
    body = exposition([one, same])
    assert body.count(b"shortline_retries_refused_total{") == 1
    assert at(samples(body), "shortline_retries_refused_total", **GW) == 1


def test_numbers_survive_the_way_between_two_gateways() -> None:
    sight = a_sight(workers=lambda: [worker()])
    serve(sight, stream=True, usage=Usage(1, 2, "estimated"))
    numbers = sight.numbers()
    assert GatewayNumbers.model_validate_json(numbers.model_dump_json()) == numbers


def test_promtool_would_find_a_help_and_a_type_for_each() -> None:
    sight = a_sight(workers=lambda: [worker(cancelled=1)])
    serve(sight, stream=True, usage=Usage(1, 1, "reported"))
    for family in text_string_to_metric_families(exposition([sight.numbers()]).decode()):
        assert family.documentation and family.type in ("counter", "gauge", "histogram")
