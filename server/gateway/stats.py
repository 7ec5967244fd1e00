"""How the workers have done, for this gateway and for all of them together."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic
from typing import Any

from server.gateway.fleet import Fleet
from server.gateway.tally import percentiles
from server.wire.stats import GatewayStats, WorkerStats


def own_stats(fleet: Fleet) -> GatewayStats:
    now = monotonic()
    return GatewayStats(
        workers={
            worker.view.address: WorkerStats(
                in_flight=len(worker.leases),
                served=worker.tally.served,
                failed=worker.tally.failed,
                breaker=worker.breaker_state(now),
                times=tuple(worker.tally.times),
            )
            for worker in fleet.workers()
        }
    )


def report(stats: Iterable[GatewayStats]) -> dict[str, dict[str, Any]]:
    """By address: requests in flight, served and failed, and how long the last ones took."""
    by_worker: dict[str, list[WorkerStats]] = {}
    for gateway in stats:
        for address, worker in gateway.workers.items():
            by_worker.setdefault(address, []).append(worker)
    return {address: _together(workers) for address, workers in by_worker.items()}


def _together(workers: list[WorkerStats]) -> dict[str, Any]:
    times = [time for worker in workers for time in worker.times]
    firsts, wholes = zip(*times, strict=True) if times else ((), ())
    return {
        "in_flight": sum(worker.in_flight for worker in workers),
        "served": sum(worker.served for worker in workers),
        "failed": sum(worker.failed for worker in workers),
        "breakers": sorted({worker.breaker for worker in workers}),
        "first_byte_s": percentiles(firsts),
        "whole_s": percentiles(wholes),
    }
