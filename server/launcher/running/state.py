"""What is running, as the launcher tells it: in memory, and in `data/run/state.json`.

No secret ever stands in it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

ChildStatus = Literal[
    "waiting", "starting", "loading", "ready", "backoff", "quarantined", "stopping", "stopped"
]
SAME_START_S = 2.0
"""Two readings of when a process started may differ by this after the clock was set."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ChildState(Frozen):
    name: str
    role: str
    status: ChildStatus = "waiting"
    detail: str = ""
    """What is being loaded, or why it last failed."""
    missing: str = ""
    """What it waits for though it runs: an online provider that is not there."""
    pid: int | None = None
    created: float | None = None
    """When its process started, seconds since 1970: tells it from a later one with its pid."""
    address: str | None = None
    since: float = 0.0
    """Seconds since 1970: when it came into this status."""
    restarts: int = 0


class LauncherState(Frozen):
    pid: int
    created: float
    version: str
    home: str
    log_folder: str
    drain_s: float
    controller_url: str | None = None
    phase: Literal["starting", "running", "stopping"] = "starting"
    children: tuple[ChildState, ...] = ()


def write_state(state: LauncherState, file: Path) -> None:
    """All or nothing. Raises `OSError`."""
    draft = file.with_name(f"{file.name}.new")
    with open(
        draft, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)
    ) as out:
        out.write(state.model_dump_json(indent=1) + "\n")
    draft.replace(file)


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
