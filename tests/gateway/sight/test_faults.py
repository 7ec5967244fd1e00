from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.gateway.sight.faults import FAULTS, Fault, fault_of
from server.gateway.sight.metrics import exposition
from server.gateway.sight.sight import Sight
from server.wire.sight import Outcome
from tests.gateway.sight.seen import a_request, a_sight, refuse, serve


@pytest.mark.parametrize(
    ("outcome", "status", "code", "fault"),
    [
        ("complete", 200, "", None),
        ("cancelled", 0, "", "client"),
        ("cancelled", 200, "", "client"),
        ("http_error", 400, "context_length_exceeded", "client"),
        ("http_error", 404, "model_not_found", "client"),
        ("http_error", 504, "deadline_exceeded", "client"),
        ("error_event", 200, "deadline_exceeded", "client"),
        ("error_event", 200, "invalid_api_key", "client"),
        ("http_error", 429, "rate_limit_exceeded", "limit"),
        ("http_error", 429, "overloaded", "limit"),
        ("http_error", 502, "provider_refused", "setup"),
        ("http_error", 502, "worker_refused", "setup"),
        ("http_error", 500, "internal_error", "server"),
        ("http_error", 503, "unavailable", "server"),
        ("http_error", 504, "upstream_timeout", "server"),
        ("error_event", 200, "worker_lost", "server"),
        ("error_event", 200, "upstream", "server"),
        ("http_error", 0, "too_many_connections", "server"),
    ],
)
def test_whose_affair_it_is(outcome: Outcome, status: int, code: str, fault: Fault | None) -> None:
    assert fault_of(outcome, status, code) == fault


def told(sight: Sight) -> dict[tuple[str, str], float]:
    return {
        (sample.labels["model"], sample.labels["fault"]): sample.value
        for family in text_string_to_metric_families(exposition([sight.numbers()]).decode())
        for sample in family.samples
        if sample.name == "shortline_requests_failed_total"
    }


def test_every_fault_is_counted_from_nothing_on() -> None:
    sight = a_sight()
    serve(sight)
    assert told(sight) == {(model, fault): 0 for model in ("m", "none") for fault in FAULTS}


def test_failures_are_added_up_whatever_their_codes() -> None:
    sight = a_sight()
    for code in ("unavailable", "internal_error"):
        record = a_request(sight)
        record.ended("http_error", 503, code)
        sight.end(record)
    refuse(sight, 401, "invalid_api_key")
    sight.turn_away(503, "too_many_connections")
    found = {at: count for at, count in told(sight).items() if count}
    assert found == {("m", "server"): 2, ("none", "client"): 1, ("none", "server"): 1}
