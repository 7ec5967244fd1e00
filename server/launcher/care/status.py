"""`startup.py status`: what runs, as the state file says and the system confirms."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass

import psutil

from server.core.clock import Clock
from server.launcher.running.state import process_of, read_state
from server.launcher.setup.home import Home
from server.wire.launcher import ChildState, LauncherState

ALL_READY, SOMETHING_DOWN, NOT_RUNNING = 0, 1, 3


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


def status(home: Home, *, as_json: bool, clock: Clock) -> int:
    state = read_state(home.state_file)
    launcher = process_of(state.pid, state.created) if state else None
    rows = [observe(child, clock.wall()) for child in state.children] if state else []
    if state is None or launcher is None:
        code, words = NOT_RUNNING, _why_not(home, state)
    else:
        code = ALL_READY if _is_whole(state, rows) else SOMETHING_DOWN
        words = _table(state, rows, clock.wall())
    if as_json:
        words = json.dumps(_document(code, state, rows), indent=1)
    sys.stdout.write(words + "\n")
    return code


def observe(child: ChildState, now: float) -> Row:
    """`child` with what the system knows about its process."""
    process = process_of(child.pid, child.created)
    gone = child.pid is not None and process is None
    started = child.created if process else None
    return Row(
        name=child.name,
        pid=child.pid if process else None,
        address=child.address,
        status="gone" if gone else child.status,
        memory_bytes=_memory(process),
        restarts=child.restarts,
        uptime_s=max(0.0, round(now - started, 1)) if started else None,
        detail=child.detail,
        missing=child.missing,
    )


def _is_whole(state: LauncherState, rows: list[Row]) -> bool:
    """What an operator has stopped is as it should be."""
    up = all(row.status in ("ready", "stopped") and not row.missing for row in rows)
    return state.phase == "running" and up


def _why_not(home: Home, state: LauncherState | None) -> str:
    if state is None:
        return f"Not running in {home.root}."
    return f"Not running in {home.root}: the launcher with pid {state.pid} was killed."


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
        row.detail if row.status != "ready" else _waits_for(row),
    )


def _waits_for(row: Row) -> str:
    return f"waits for {row.missing}" if row.missing else ""


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
