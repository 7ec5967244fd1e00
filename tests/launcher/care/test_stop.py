from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from server.launcher.care.stop import stop
from server.launcher.running.leftovers import clear_leftovers
from server.launcher.running.state import read_state, start_of, write_state
from server.launcher.setup.home import Home
from server.launcher.setup.lock import locked
from server.wire.launcher import ChildState, LauncherState

Sleeper = subprocess.Popen[bytes]


@pytest.fixture
def sleeper() -> Iterator[Sleeper]:
    """Something that runs, and that SIGTERM ends."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def write(home: Home, launcher: int, *, shift_s: float = 0, child: int | None = None) -> None:
    created = (start_of(launcher) or 0.0) + shift_s
    children: tuple[ChildState, ...] = ()
    if child is not None:
        children = (ChildState(name="a", role="x", pid=child, created=start_of(child)),)
    state = LauncherState(
        pid=launcher,
        created=created,
        version="0",
        home=str(home.root),
        log_folder=str(home.logs),
        drain_s=20,
        children=children,
    )
    write_state(state, home.state_file)


def test_a_launcher_is_asked_and_waited_for(home: Home, sleeper: Sleeper) -> None:
    write(home, sleeper.pid)
    assert stop(home, force=False) == 0
    assert sleeper.wait(1) == -15


def test_a_stranger_with_the_launchers_pid_is_left_alone(home: Home, sleeper: Sleeper) -> None:
    write(home, sleeper.pid, shift_s=-1000)
    for force in (False, True):
        assert stop(home, force=force) == 0
    assert sleeper.poll() is None


def test_nothing_to_stop_is_fine(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert stop(home, force=False) == 0
    assert "Not running" in capsys.readouterr().out


def test_a_launcher_that_has_only_begun_is_told_apart(home: Home) -> None:
    with locked(home.lock_file):
        assert stop(home, force=False) == 1


def test_what_a_dead_launcher_left_is_ended(home: Home, sleeper: Sleeper) -> None:
    write(home, sleeper.pid, shift_s=-1000, child=sleeper.pid)
    clear_leftovers(read_state(home.state_file), patience_s=0.1)
    assert not psutil.pid_exists(sleeper.pid)


def test_children_of_a_launcher_that_lives_are_no_leftovers(home: Home, sleeper: Sleeper) -> None:
    write(home, psutil.Process().pid, child=sleeper.pid)
    clear_leftovers(read_state(home.state_file))
    assert sleeper.poll() is None
