from __future__ import annotations

import os
from pathlib import Path

from server.launcher.running.state import process_of, read_state, start_of, write_state
from server.wire.launcher import ChildState, LauncherState


def launcher_state(**changes: object) -> LauncherState:
    state = LauncherState(
        pid=1, created=2.0, version="0", home="/h", log_folder="/h/data/logs", drain_s=20
    )
    return state.model_copy(update=changes)


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    state = launcher_state(children=(ChildState(name="a", role="controller", pid=3, created=4.5),))
    write_state(state, file)
    assert read_state(file) == state
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_torn_or_missing_file_is_no_state(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    assert read_state(file) is None
    file.write_text('{"pid": 1')
    assert read_state(file) is None


def test_a_pid_alone_does_not_make_a_process_ours() -> None:
    created = start_of(os.getpid())
    assert created is not None
    assert process_of(os.getpid(), created) is not None
    assert process_of(os.getpid(), created - 60) is None
    assert process_of(None, None) is None
