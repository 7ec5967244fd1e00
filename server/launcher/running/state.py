"""What is running, as the launcher tells it in `data/run/state.json`."""

from __future__ import annotations

from pathlib import Path

import psutil
from pydantic import ValidationError

from server.core.draft import write_whole
from server.wire.launcher import LauncherState

SAME_START_S = 2.0
"""Two readings of when a process started may differ by this after the clock was set."""


def write_state(state: LauncherState, file: Path) -> None:
    """All or nothing. Raises `OSError`."""
    write_whole(file, state.model_dump_json(indent=1) + "\n", lasting=False)


def read_state(file: Path) -> LauncherState | None:
    """None when there is none that makes sense."""
    try:
        return LauncherState.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def process_of(pid: int | None, created: float | None) -> psutil.Process | None:
    """The living process with this pid, if it is the one that started at `created`."""
    if pid is None or created is None:
        return None
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < SAME_START_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def start_of(pid: int) -> float | None:
    """When the process with this pid started, seconds since 1970."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None
