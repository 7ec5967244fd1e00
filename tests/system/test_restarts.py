"""Two hundred restarts of workers, in a launcher whose first process collects nobody (A20)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from server.launcher.running.state import read_state
from server.launcher.setup.home import Home
from server.wire.launcher import ChildState, LauncherState
from tests.system.launch import CODE, FREE_PORTS, until

pytestmark = pytest.mark.system

WORKERS = [f"model_worker {name}" for name in "abcd"]
RESTARTS = 200
WARM_UP = 20
SHARED = Path("/dev/shm")
OURS = ("psm_", "sem.", "torch_")
"""What Python and torch call their shared memory."""


class Fleet:
    def __init__(self, home: Path) -> None:
        self._home = Home(home)
        self.init = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.fakes.careless_init"),
                *(sys.executable, "-m", "tests.fakes.fake_fleet", str(home)),
            ],
            cwd=CODE,
            env={**os.environ, **FREE_PORTS, "PYTHONPATH": str(CODE)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )

    def state(self) -> LauncherState:
        state = read_state(self._home.state_file)
        assert state is not None
        return state

    def child(self, name: str) -> ChildState:
        return next(child for child in self.state().children if child.name == name)

    def launcher(self) -> psutil.Process:
        return psutil.Process(self.state().pid)

    def wish(self, **request: str) -> None:
        httpx.post(f"{self.child('api').address}/wish", json=request, trust_env=False)

    def restart_all(self, *, kill: bool) -> None:
        before = {name: self.child(name).pid for name in WORKERS}
        for name, pid in before.items():
            assert pid is not None
            if kill:
                os.kill(pid, signal.SIGKILL)
            else:
                self.wish(ask="restart", child=name)
        for name, pid in before.items():
            self.wait_for_another(name, pid, kill=kill)

    def wait_for_another(self, name: str, pid: int | None, *, kill: bool) -> None:
        if kill:  # so that it is neither waited for nor given up
            until(lambda: self.child(name).pid != pid, 10)
            self.wish(ask="start", child=name)
        until(lambda: self.child(name).status == "ready" and self.child(name).pid != pid, 10)

    def restart_many(self, restarts: int) -> None:
        for turn in range(restarts // len(WORKERS)):
            self.restart_all(kill=turn % 2 == 0)

    def used(self) -> dict[str, Any]:
        launcher = self.launcher()
        return {
            "files": launcher.num_fds(),
            "threads": launcher.num_threads(),
            "processes": len(launcher.children(recursive=True)),
            "zombies": zombies(launcher) + zombies(psutil.Process(self.init.pid)),
            "shared memory": sorted(
                path.name for path in SHARED.iterdir() if path.name.startswith(OURS)
            ),
        }


def zombies(parent: psutil.Process) -> int:
    return sum(child.status() == psutil.STATUS_ZOMBIE for child in parent.children())


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    models = [{"name": name, "path": "echo", "engine": "echo"} for name in "abcd"]
    (tmp_path / "configs/providers").mkdir(parents=True)
    (tmp_path / "configs/fleet.yaml").write_text(yaml.safe_dump({"models": models}))
    fleet = Fleet(tmp_path)
    try:
        until(lambda: read_state(Home(tmp_path).state_file) is not None, 20)
        until(lambda: fleet.state().phase == "running", 20)
        yield fleet
    finally:
        for process in psutil.Process(fleet.init.pid).children():
            process.kill()  # the launcher; its own children follow it
        fleet.init.kill()
        fleet.init.wait()


def test_two_hundred_restarts_leave_nothing_in_the_launcher(fleet: Fleet) -> None:
    fleet.restart_many(WARM_UP)
    before = fleet.used()
    memory = fleet.launcher().memory_info().rss
    fleet.restart_many(RESTARTS - WARM_UP)
    until(lambda: fleet.used() == before, 5)
    assert before["zombies"] == 0
    assert fleet.launcher().memory_info().rss < 1.1 * memory
    launcher, init = fleet.launcher(), psutil.Process(fleet.init.pid)
    launcher.terminate()
    until(lambda: not launcher.is_running(), 10)
    assert init.children() == []
