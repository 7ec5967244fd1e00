from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.core.errors import StartError
from server.launcher.setup.lock import is_locked, locked


def test_a_second_launcher_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with (
        locked(file),
        pytest.raises(StartError, match=rf"\(pid {os.getpid()}\)"),
        locked(file),
    ):
        raise AssertionError("both have it")


def test_the_lock_is_free_after_the_block(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with locked(file):
        assert is_locked(file)
    assert not is_locked(file)
    with locked(file):
        pass


def test_a_file_that_a_crash_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.write_text("999999\n")
    with locked(file):
        assert file.read_text() == f"{os.getpid()}\n"


def test_no_file_is_no_lock(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "lock")
