"""What an operator has stopped or drained stays so: through every death and every restart."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server.core.limits import SUSPECT_S
from server.wire.fleet import SECRET_HEADER, FleetView
from tests.system.launch import Launch, command, launched, until, write_home

pytestmark = pytest.mark.system

SERVING, STOPPED, DRAINED = "model_worker echo", "model_worker echo#2", "model_worker echo#3"
SECRET = {"SHORTLINE_CONTROLLER__SECRET": "s" * 40}
HEADERS = {SECRET_HEADER: "s" * 40}
QUESTION = {"model": "echo", "messages": [{"role": "user", "content": "one two"}]}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    write_home(home, replicas=3)
    yield home


def states(fleet: Launch) -> dict[str, str]:
    return {name: row["status"] for name, row in fleet.rows().items() if "echo" in name}


def wait_for(fleet: Launch, **expected: str) -> None:
    """`expected`: what the status of some workers is to be, by the end of their names."""
    by_name = {f"model_worker {name.replace('_', '#')}": to for name, to in expected.items()}
    until(lambda: by_name.items() <= states(fleet).items(), 20)


def tell(home: Path, action: str, name: str) -> None:
    told = command(home, "worker", action, name)
    assert told.returncode == 0, told.stdout + told.stderr


def view(fleet: Launch) -> FleetView:
    url = f"{fleet.child('controller').address}/fleet"
    answer = httpx.get(url, headers=HEADERS, trust_env=False)
    return FleetView.model_validate_json(answer.content)


def asked(fleet: Launch) -> int:
    url = f"{fleet.base_url}/chat/completions"
    return httpx.post(url, json=QUESTION, timeout=20, trust_env=False).status_code


def is_set_aside(fleet: Launch) -> None:
    """One worker serves, one is stopped, one gets nothing; and that is as it should be."""
    wait_for(fleet, echo="ready", echo_2="stopped", echo_3="draining")
    rows = fleet.rows()
    assert rows[STOPPED]["pid"] is None
    assert rows[DRAINED]["pid"] is not None
    assert "by an operator" in rows[STOPPED]["detail"]
    assert "by an operator" in rows[DRAINED]["detail"]
    assert sorted(worker.state for worker in view(fleet).workers) == ["draining", "ready"]
    assert asked(fleet) == 200
    until(lambda: fleet.status()["ready"], 5)


def test_what_is_set_aside_stays_so_over_a_stop_and_a_kill_until_it_is_taken_back(
    home: Path,
) -> None:
    with launched(home, **SECRET) as fleet:
        wait_for(fleet, echo="ready", echo_2="ready", echo_3="ready")
        tell(home, "stop", "echo#2")
        tell(home, "drain", "echo#3")
        is_set_aside(fleet)
        assert command(home, "stop").returncode == 0
    with launched(home, **SECRET) as fleet:
        is_set_aside(fleet)
        assert f"{STOPPED}: stopped, as an operator wanted" in fleet.said()
        assert f"{DRAINED}: draining, as an operator wanted" in fleet.said()
        fleet.process.kill()
        fleet.wait()
    with launched(home, **SECRET) as fleet:
        is_set_aside(fleet)
        tell(home, "start", "echo#2")
        tell(home, "start", "echo#3")
        wait_for(fleet, echo="ready", echo_2="ready", echo_3="ready")
        fleet.process.kill()
        fleet.wait()
    with launched(home, **SECRET) as fleet:
        wait_for(fleet, echo="ready", echo_2="ready", echo_3="ready")
        assert json.loads((home / "data/desired.json").read_text()) == {}


def test_a_drain_at_the_controller_outlives_worker_controller_and_launcher(home: Path) -> None:
    with launched(home, **SECRET) as fleet:
        wait_for(fleet, echo="ready", echo_2="ready", echo_3="ready")
        url = f"{fleet.child('controller').address}/fleet/drain"
        about = {"address": fleet.address(DRAINED)}
        httpx.post(url, json=about, headers=HEADERS, trust_env=False).raise_for_status()
        wait_for(fleet, echo_3="draining")
        fleet.kill("controller")
        until(lambda: fleet.child("controller").restarts == 1, 10)
        wait_for(fleet, echo="ready", echo_3="draining")
        fleet.kill(DRAINED)
        until(lambda: fleet.child(DRAINED).restarts == 1, 10)
        wait_for(fleet, echo="ready", echo_3="draining")
        fleet.process.kill()
        fleet.wait()
    with launched(home, **SECRET) as fleet:
        wait_for(fleet, echo="ready", echo_2="ready", echo_3="draining")
        url = f"{fleet.child('controller').address}/fleet/resume"
        about = {"address": fleet.address(DRAINED)}
        httpx.post(url, json=about, headers=HEADERS, trust_env=False).raise_for_status()
        wait_for(fleet, echo_3="ready")
        tell(home, "restart", "echo#3")
        until(lambda: "restart" in fleet.said(), 5)
        wait_for(fleet, echo_3="ready")


def test_a_frozen_worker_is_not_shown_as_ready(home: Path) -> None:
    with launched(home, **SECRET) as fleet:
        wait_for(fleet, echo="ready")
        pid = fleet.kill(SERVING, signal.SIGSTOP)
        try:
            until(lambda: states(fleet)[SERVING] == "frozen", 2)
            assert command(home, "status").returncode == 1
            until(lambda: "silent" in fleet.rows()[SERVING]["detail"], SUSPECT_S + 5)
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_for(fleet, echo="ready")
        assert command(home, "status").returncode == 0
