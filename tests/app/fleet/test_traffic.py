from __future__ import annotations

from server.app.fleet.known import Traffic
from server.app.fleet.traffic import read_traffic
from server.gateway.stats import report
from server.wire.browser import Latency
from server.wire.stats import GatewayStats, WorkerStats

ADDRESS = "http://127.0.0.1:5001"


def told(stats: WorkerStats) -> dict[str, Traffic]:
    """What comes of what the gateway tells."""
    return read_traffic(report([GatewayStats(workers={ADDRESS: stats})]))


def test_what_the_gateway_tells_of_a_worker_is_understood() -> None:
    found = told(WorkerStats(in_flight=2, served=1, times=((0.25, 1.5),)))
    latency = Latency(
        first_byte_p50_s=0.25, first_byte_p95_s=0.25, whole_p50_s=1.5, whole_p95_s=1.5
    )
    assert found == {ADDRESS: Traffic(in_flight=2, served=1, failed=0, latency=latency)}


def test_a_worker_that_has_done_nothing_has_no_latency() -> None:
    assert told(WorkerStats())[ADDRESS].latency == Latency()


def test_nonsense_is_left_out() -> None:
    said = {"in_flight": -1, "served": True, "failed": "x", "first_byte_s": [], "whole_s": None}
    assert read_traffic({ADDRESS: said, "x": 5}) == {ADDRESS: Traffic(latency=Latency())}
    assert read_traffic({"workers": 5}) == {}
