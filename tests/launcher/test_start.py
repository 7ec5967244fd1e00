from __future__ import annotations

import os

import pytest

from server.launcher.running.state import read_state, write_state
from server.launcher.setup.home import Home
from server.launcher.setup.installation import Installation
from server.launcher.setup.lock import locked
from server.launcher.start import start
from server.launcher.wanted import Wanted
from server.wire.launcher import LauncherState

LLM = Wanted(gateway=True, local=True)


def begin(home: Home, installation: Installation) -> int:
    return start(home, LLM, quiet=True, environ={}, installation=installation)


def test_every_problem_is_a_line_and_nothing_is_left(
    home: Home, installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    home.fleet_file.write_text("models:\n  - {name: a, path: ./a}\n  - {name: b, path: ./b}\n")
    assert begin(home, installation) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Nothing was started. What is wrong:"
    assert sum("there is no folder" in line for line in lines) == 2
    assert [path.name for path in home.run.iterdir()] == ["lock"]


def test_a_home_that_is_taken_is_refused_and_its_state_kept(
    home: Home, installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    state = LauncherState(pid=1, created=1, version="0", home="", log_folder="", drain_s=1)
    write_state(state, home.state_file)
    with locked(home.lock_file):
        assert begin(home, installation) == 2
    assert f"another launcher (pid {os.getpid()}) runs here" in capsys.readouterr().err
    assert read_state(home.state_file) == state


def test_a_fresh_home_is_told_to_be_new_and_where_its_configuration_is(
    home: Home, installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    (home.providers).rmdir()
    home.configs.rmdir()
    (installation.configs() / "fleet.yaml").write_text("nonsense: 1\n")
    assert begin(home, installation) == 2
    shown = capsys.readouterr()
    first = shown.out.splitlines()[0]
    assert first.startswith(f"New home made in {home.root}: {home.configs} is a copy")
    assert "nonsense: there is no such setting" in shown.err


def test_a_start_says_first_which_home_it_is(
    home: Home, installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    home.fleet_file.write_text("nonsense: 1\n")
    begin(home, installation)
    assert capsys.readouterr().out.splitlines()[0] == f"Home: {home.root}"
