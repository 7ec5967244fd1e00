"""`startup.py status`: what runs, as the state file says and the system confirms."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass

import psutil

from server.core.clock import Clock
from server.launcher.running.desired import Desired
from server.launcher.running.state import process_of, read_state
from server.launcher.setup.home import Home
from server.wire.launcher import ChildState, LauncherState

ALL_READY, SOMETHING_DOWN, NOT_RUNNING = 0, 1, 3
_WANTED = ("ready", "stopped", "draining", "asleep")
"""What an operator has stopped or drained is as it should be, and what waits to be asked for."""
FROZEN = "its process was told to pause (SIGSTOP)"
_ROUTED = {
    "suspect": "silent; the controller sends it nothing until it speaks again",
    "absent": "the controller does not list it, so nothing is sent there",
    "draining": "by an operator; nothing new is sent there",
}


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    pid: int | None
    address: str | None
    status: str
    memory_bytes: int | None
    restarts: int
    uptime_s: float | None
    detail: str
    missing: str
    path: str = ""
    """Of weights that an operator has swapped,"""
    instead_of: str = ""
    """and of those that the settings name."""


def status(home: Home, *, as_json: bool, clock: Clock) -> int:
    state = read_state(home.state_file)
    launcher = process_of(state.pid, state.created) if state else None
    rows = [observe(child, clock.wall()) for child in state.children] if state else []
    if state is None or launcher is None:
        code, words = NOT_RUNNING, _why_not(home, state)
    else:
        whole = _is_whole(state, rows) and not _is_frozen(launcher)
        code = ALL_READY if whole else SOMETHING_DOWN
        words = _table(state, rows, clock.wall())
    if as_json:
        words = json.dumps(_document(code, state, rows), indent=1)
    sys.stdout.write(words + "\n")
    return code


def observe(child: ChildState, now: float) -> Row:
    """`child` with what the system knows about its process."""
    process = process_of(child.pid, child.created)
    started = child.created if process else None
    status, detail = _condition(child, process)
    return Row(
        name=child.name,
        pid=child.pid if process else None,
        address=child.address,
        status=status,
        memory_bytes=_memory(process),
        restarts=child.restarts,
        uptime_s=max(0.0, round(now - started, 1)) if started else None,
        detail=detail,
        missing=child.missing,
        path=child.path,
        instead_of=child.instead_of,
    )


def _condition(child: ChildState, process: psutil.Process | None) -> tuple[str, str]:
    """What it is, and why: the system knows best, then the controller, then the launcher."""
    if child.pid is not None and process is None:
        return "gone", child.detail
    routed = _ROUTED.get(child.routing, "") if child.status == "ready" else ""
    if _is_frozen(process):
        return "frozen", "; ".join(filter(None, (FROZEN, routed)))
    return (child.routing, routed) if routed else (child.status, child.detail)


def _is_frozen(process: psutil.Process | None) -> bool:
    try:
        return process is not None and process.status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def _is_whole(state: LauncherState, rows: list[Row]) -> bool:
    up = all(row.status in _WANTED and not row.missing for row in rows)
    return state.phase == "running" and up


def _why_not(home: Home, state: LauncherState | None) -> str:
    killed = f": the launcher with pid {state.pid} was killed" if state else ""
    lines = [f"Not running in {home.root}{killed}."]
    desired = Desired(home.desired_file)
    for worker, wish in desired.set_aside.items():
        lines.append(f"An operator wanted {worker}: {wish}; so it will be after the next start.")
    if desired.unreadable:
        lines.append(desired.unreadable)
    return "\n".join(lines)


def _memory(process: psutil.Process | None) -> int | None:
    try:
        return process.memory_info().rss if process else None
    except psutil.Error:
        return None


def _document(code: int, state: LauncherState | None, rows: list[Row]) -> dict[str, object]:
    running = state is not None and code != NOT_RUNNING
    return {
        "running": running,
        "ready": code == ALL_READY,
        "phase": state.phase if state and running else None,
        "launcher": {"pid": state.pid, "version": state.version} if state and running else None,
        "processes": [asdict(row) for row in rows] if running else [],
    }


def _table(state: LauncherState, rows: list[Row], now: float) -> str:
    launcher = ChildState(
        name="launcher",
        role="launcher",
        status="ready" if state.phase == "running" else "starting",
        pid=state.pid,
        created=state.created,
    )
    head = ("PROCESS", "PID", "PORT", "STATE", "MEMORY", "RESTARTS", "UPTIME", "")
    lines = [head, *(_cells(row) for row in (observe(launcher, now), *rows))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    shown = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
    return "\n".join(shown)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        str(row.pid or "-"),
        row.address.rpartition(":")[2] if row.address else "-",
        row.status,
        f"{row.memory_bytes / 2**20:.0f} MiB" if row.memory_bytes else "-",
        str(row.restarts),
        _duration(row.uptime_s),
        "; ".join(
            filter(None, (row.detail if row.status != "ready" else _waits_for(row), _swap(row)))
        ),
    )


def _waits_for(row: Row) -> str:
    return f"waits for {row.missing}" if row.missing else ""


def _swap(row: Row) -> str:
    return f"swapped: {row.path} instead of {row.instead_of}" if row.path else ""


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
