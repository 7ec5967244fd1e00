from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from server.core.clock import SystemClock
from server.launcher.care.status import status
from server.launcher.running.desired import Desired
from server.launcher.running.state import read_state, start_of, write_state
from server.launcher.setup.home import Home
from server.wire.launcher import ChildState, LauncherState
from tests.system.launch import until


def write(home: Home, *children: ChildState, phase: str = "running", alive: bool = True) -> None:
    """A launcher that is this very process, or one that was killed."""
    created = start_of(os.getpid()) or 0.0
    state = LauncherState(
        pid=os.getpid(),
        created=created if alive else created - 1000,
        version="1.2.3",
        home=str(home.root),
        log_folder=str(home.logs),
        drain_s=20,
    )
    update = {"phase": phase, "children": children}
    write_state(state.model_copy(update=update), home.state_file)


def ready(name: str = "controller") -> ChildState:
    """A child that is this very process."""
    created = start_of(os.getpid())
    return ChildState(
        name=name,
        role="controller",
        status="ready",
        pid=os.getpid(),
        created=created,
        address="http://127.0.0.1:20001",
    )


def test_all_ready_is_zero_with_a_line_for_each(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, ready())
    assert status(home, as_json=False, clock=SystemClock()) == 0
    head, launcher, controller = capsys.readouterr().out.splitlines()
    assert head.split() == ["PROCESS", "PID", "PORT", "STATE", "MEMORY", "RESTARTS", "UPTIME"]
    assert launcher.split()[:2] == ["launcher", str(os.getpid())]
    assert controller.split()[:4] == ["controller", str(os.getpid()), "20001", "ready"]
    assert "MiB" in controller


def test_one_that_waits_for_its_provider_is_one(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, ready().model_copy(update={"missing": "acme at http://a.example: refused"}))
    assert status(home, as_json=False, clock=SystemClock()) == 1
    assert "waits for acme at http://a.example: refused" in capsys.readouterr().out


def test_what_an_operator_has_stopped_is_as_it_should_be(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    held = ChildState(name="model_worker a", role="model_worker", status="stopped", detail="by an")
    write(home, ready(), held)
    assert status(home, as_json=False, clock=SystemClock()) == 0
    assert "stopped" in capsys.readouterr().out


@pytest.mark.parametrize("why", ["quarantined", "backoff", "loading"])
def test_one_that_is_not_ready_is_one(
    home: Home, capsys: pytest.CaptureFixture[str], why: str
) -> None:
    down = ChildState.model_validate(
        {"name": "model_worker a", "role": "model_worker", "status": why, "detail": "no weights"}
    )
    write(home, ready(), down)
    assert status(home, as_json=False, clock=SystemClock()) == 1
    assert f"{why}" in capsys.readouterr().out


def test_a_process_that_is_not_there_is_gone_whatever_the_file_says(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, ready().model_copy(update={"created": 1.0}))
    assert status(home, as_json=True, clock=SystemClock()) == 1
    (row,) = json.loads(capsys.readouterr().out)["processes"]
    assert (row["status"], row["pid"]) == ("gone", None)


@pytest.mark.parametrize(
    ("routing", "code", "words"),
    [
        ("suspect", 1, "silent"),
        ("absent", 1, "does not list it"),
        ("draining", 0, "by an operator"),
        ("ready", 0, ""),
        ("", 0, ""),
    ],
)
def test_what_the_controller_says_of_a_worker_is_shown(
    home: Home, capsys: pytest.CaptureFixture[str], routing: str, code: int, words: str
) -> None:
    write(home, ready("model_worker a").model_copy(update={"routing": routing}))
    assert status(home, as_json=False, clock=SystemClock()) == code
    shown = capsys.readouterr().out.splitlines()[2]
    assert shown.split()[4] == (routing or "ready")
    assert words in shown


@pytest.fixture
def frozen() -> Iterator[ChildState]:
    """One whose process is paused."""
    with subprocess.Popen(["sleep", "60"]) as process:
        os.kill(process.pid, signal.SIGSTOP)
        until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, 5)
        update = {"pid": process.pid, "created": start_of(process.pid)}
        yield ready().model_copy(update=update)
        process.kill()


def test_a_frozen_process_is_not_ready(
    home: Home, frozen: ChildState, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, frozen)
    assert status(home, as_json=False, clock=SystemClock()) == 1
    assert " frozen " in capsys.readouterr().out.splitlines()[2]


def test_a_frozen_launcher_is_not_well(
    home: Home, frozen: ChildState, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, ready())
    state = read_state(home.state_file)
    assert state is not None
    update = {"pid": frozen.pid, "created": frozen.created}
    write_state(state.model_copy(update=update), home.state_file)
    assert status(home, as_json=False, clock=SystemClock()) == 1
    assert " frozen " in capsys.readouterr().out.splitlines()[1]


def test_one_that_still_starts_is_not_ready(home: Home) -> None:
    write(home, ready(), phase="starting")
    assert status(home, as_json=False, clock=SystemClock()) == 1


def test_no_launcher_is_three(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(home, as_json=False, clock=SystemClock()) == 3
    assert "Not running" in capsys.readouterr().out


def test_wishes_that_cannot_be_read_are_told_with_what_to_do(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.desired_file.parent.mkdir(parents=True, exist_ok=True)
    home.desired_file.write_text("{")
    assert status(home, as_json=False, clock=SystemClock()) == 3
    told = capsys.readouterr().out
    assert f"{home.desired_file} makes no sense, so nobody knows which workers" in told
    assert "stop and drain them again" in told


def test_a_launcher_that_was_killed_is_three(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, ready(), alive=False)
    assert status(home, as_json=True, clock=SystemClock()) == 3
    assert json.loads(capsys.readouterr().out)["running"] is False


def test_what_is_set_aside_is_told_also_while_nothing_runs(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    Desired(home.desired_file).remember("model_worker a", "drain")
    assert status(home, as_json=False, clock=SystemClock()) == 3
    assert "An operator wanted model_worker a: drain" in capsys.readouterr().out
