"""A machine whose processors are all taken: nobody is thought dead, and all say that they live
(A25)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from server.core.limits import SUSPECT_S
from server.wire.fleet import SECRET_HEADER, FleetView
from tests.system.launch import Launch, launched, write_home

pytestmark = pytest.mark.system

SECRET = "s" * 40
WORKER = "model_worker echo"
LIVEZ_S = 1.0
GREEDY = 8
"""Programs that want all of the one processor that everybody has to share."""
LOWEST = 19
"""The niceness of the worker: each of the others weighs seventy times as much."""
BUSY_S = SUSPECT_S + 3.0
NEVER = "while True: pass"


@contextmanager
def one_busy_processor(fleet: Launch) -> Iterator[None]:
    """All processes of the fleet share one with programs that never rest."""
    processor = min(os.sched_getaffinity(0))
    for process in [psutil.Process(fleet.process.pid), *fleet.children()]:
        for thread in process.threads():
            os.sched_setaffinity(thread.id, {processor})
    psutil.Process(fleet.rows()[WORKER]["pid"]).nice(LOWEST)
    greedy = [subprocess.Popen([sys.executable, "-c", NEVER]) for _ in range(GREEDY)]
    try:
        for program in greedy:
            os.sched_setaffinity(program.pid, {processor})
        yield
    finally:
        for program in greedy:
            program.kill()
            program.wait()


def fleet_view(http: httpx.Client, fleet: Launch) -> FleetView:
    answer = http.get(f"{fleet.child('controller').address}/fleet", headers={SECRET_HEADER: SECRET})
    return FleetView.model_validate_json(answer.content)


def test_a_fleet_without_processor_time_is_slow_and_whole(tmp_path: Path) -> None:
    write_home(tmp_path / "home")
    secret = {"SHORTLINE_CONTROLLER__SECRET": SECRET}
    with (
        launched(tmp_path / "home", "-a", **secret) as fleet,
        httpx.Client(trust_env=False, timeout=30) as http,
    ):
        [before] = fleet_view(http, fleet).workers
        addresses = [row["address"] for row in fleet.rows().values()]
        with one_busy_processor(fleet):
            end, slowest_s, states = time.monotonic() + BUSY_S, 0.0, set()
            while time.monotonic() < end:
                for address in addresses:
                    began = time.monotonic()
                    assert http.get(f"{address}/livez").status_code == 200
                    slowest_s = max(slowest_s, time.monotonic() - began)
                states |= {w.state for w in fleet_view(http, fleet).workers}
                time.sleep(0.1)
        [after] = fleet_view(http, fleet).workers
        assert slowest_s < LIVEZ_S
        assert states == {"ready"}
        assert after.generation == before.generation
