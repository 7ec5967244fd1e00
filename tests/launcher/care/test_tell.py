from __future__ import annotations

import os
import threading
import time

import pytest

from server.core.clock import SystemClock
from server.launcher.care import tell as tell_module
from server.launcher.care.tell import tell
from server.launcher.running.inbox import take_wishes
from server.launcher.running.state import start_of, write_state
from server.launcher.setup.home import Home
from server.wire.launcher import ChildState, LauncherState
from server.wire.process import Request, Wish

CLOCK = SystemClock()


def worker(name: str, status: str = "ready") -> ChildState:
    return ChildState.model_validate({"name": name, "role": name.split()[0], "status": status})


@pytest.fixture
def running(home: Home) -> Home:
    """With a launcher that is this very process."""
    children = (
        worker("controller"),
        worker("model_worker a"),
        worker("model_worker a#2", "stopped"),
        worker("model_worker p"),
        worker("online_api p"),
    )
    state = LauncherState(
        pid=os.getpid(),
        created=start_of(os.getpid()) or 0.0,
        version="1",
        home=str(home.root),
        log_folder="",
        drain_s=1,
        children=children,
    )
    write_state(state, home.state_file)
    return home


class Listener(threading.Thread):
    """A launcher that takes what it is told."""

    def __init__(self, home: Home) -> None:
        super().__init__(daemon=True)
        self._home = home
        self.heard: list[Wish] = []

    def run(self) -> None:
        while not self.heard:
            self.heard += take_wishes(self._home.wishes)
            time.sleep(0.01)


@pytest.mark.parametrize("name", ["model_worker a#2", "a#2"])
def test_a_worker_is_told_by_its_name_or_the_end_of_it(running: Home, name: str) -> None:
    listener = Listener(running)
    listener.start()
    assert tell(running, "start", name, CLOCK) == 0
    assert listener.heard == [Request(ask="start", child="model_worker a#2")]


def test_a_launcher_that_does_not_listen_is_told_nothing_later(
    running: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tell_module, "HEARD_S", 0.1)
    assert tell(running, "drain", "a", CLOCK) == 1
    assert "does not listen" in capsys.readouterr().out
    assert take_wishes(running.wishes) == []


@pytest.mark.parametrize("name", ["b", "controller", "p", "", "../x"])
def test_what_is_no_worker_or_not_one_alone_is_refused_with_those_there_are(
    running: Home, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(running, "stop", name, CLOCK) == 2
    assert "'model_worker a', 'model_worker a#2'" in capsys.readouterr().out


@pytest.mark.parametrize(("action", "name"), [("stop", "a#2"), ("start", "a")])
def test_what_is_so_already_is_said(
    running: Home, action: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(running, action, name, CLOCK) == 0
    assert "already" in capsys.readouterr().out
    assert take_wishes(running.wishes) == []


def test_a_stopped_worker_cannot_be_drained(
    running: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(running, "drain", "a#2", CLOCK) == 2
    assert "is stopped" in capsys.readouterr().out


def test_nothing_is_told_where_nothing_runs(home: Home) -> None:
    assert tell(home, "stop", "a", CLOCK) == 3
    assert not home.wishes.exists()


def test_a_swap_carries_where_the_new_weights_are(
    running: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    listener = Listener(running)
    listener.start()
    assert tell(running, "swap", "a", CLOCK, "/models/new") == 0
    assert listener.heard == [Request(ask="swap", child="model_worker a", path="/models/new")]
    assert "over every restart" in capsys.readouterr().out


def test_a_provider_has_no_weights_to_swap(
    running: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(running, "swap", "online_api p", CLOCK, "/models/new") == 2
    assert "loads no weights" in capsys.readouterr().out
    assert take_wishes(running.wishes) == []
