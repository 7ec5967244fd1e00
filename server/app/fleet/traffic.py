"""The gateway's own account of its workers: `GET /shortline/stats`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.app.fleet.known import Traffic
from server.wire.browser import Latency


def read_traffic(said: Mapping[str, Any]) -> dict[str, Traffic]:
    """By worker address; what makes no sense is left out."""
    workers = said.get("workers", said)
    if not isinstance(workers, dict):
        return {}
    return {address: _traffic(told) for address, told in workers.items() if isinstance(told, dict)}


def _traffic(told: Mapping[str, Any]) -> Traffic:
    return Traffic(
        in_flight=_count(told.get("in_flight")),
        served=_count(told.get("served")),
        failed=_count(told.get("failed")),
        latency=Latency(
            first_byte_p50_s=_seconds(told.get("first_byte_s"), "p50"),
            first_byte_p95_s=_seconds(told.get("first_byte_s"), "p95"),
            whole_p50_s=_seconds(told.get("whole_s"), "p50"),
            whole_p95_s=_seconds(told.get("whole_s"), "p95"),
        ),
    )


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _seconds(times: object, which: str) -> float | None:
    value = times.get(which) if isinstance(times, dict) else None
    return float(value) if isinstance(value, int | float) and value >= 0 else None
