"""A sight with a clock that stands still, and requests that go through it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from server.core.dispatch import Candidate
from server.gateway.sight.record import Record
from server.gateway.sight.sight import Sight
from server.gateway.sight.usage import Usage
from server.wire.sight import WorkerNumbers
from tests.fakes.clock import ManualClock

CHAT = "/v1/chat/completions"
A, B = "http://127.0.0.1:1001", "http://127.0.0.1:1002"
MODELS = ("m", "n")


def a_sight(clock: ManualClock | None = None, **more: Any) -> Sight:
    fields = {"gateway": "gw", "models": lambda: MODELS}
    return Sight(clock or ManualClock(), **{**fields, **more})


def a_request(sight: Sight, request_id: str = "req-1", **more: Any) -> Record:
    fields = {"path": CHAT, "model": "m", "stream": False}
    return sight.begin(request_id, **{**fields, **more})


def candidates(*addresses: str) -> Sequence[Candidate]:
    return [Candidate(address, mine=at, others=1) for at, address in enumerate(addresses)]


def worker(**more: Any) -> WorkerNumbers:
    fields = {
        "name": A, "addresses": (A,), "models": ("m",), "state": "ready", "breaker": "closed",
        "in_flight": 1, "served": 10, "failed": 2, "running": 5, "waiting": {"normal": 7},
        "slots": 4, "queue": 32,
    }  # fmt: skip
    return WorkerNumbers.model_validate(fields | more)


def refuse(sight: Sight, status: int = 400, code: str = "invalid_json", **more: Any) -> None:
    """One that never comes as far as a model."""
    fields = {"request_id": "req-0", "method": "POST", "path": CHAT}
    sight.refuse(**{**fields, "status": status, "code": code, **more})


def serve(sight: Sight, *, usage: Usage | None = None, **more: Any) -> Record:
    """One that goes well."""
    record = a_request(sight, **more)
    record.chose(A)
    record.first_byte()
    record.ended("complete", 200, usage=usage)
    sight.end(record)
    return record
