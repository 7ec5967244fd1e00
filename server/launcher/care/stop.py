"""`startup.py stop`: ask the launcher of this home to drain and end, and wait until it has."""

from __future__ import annotations

import sys
import time

import psutil

from server.launcher.running.leftovers import clear_leftovers
from server.launcher.running.state import process_of, read_state
from server.launcher.setup.home import Home
from server.launcher.setup.lock import is_locked
from server.wire.launcher import LauncherState

STOPPED, STILL_RUNNING = 0, 1
BEYOND_DRAIN_S = 10.0
SAY_EVERY_S = 5.0


def stop(home: Home, *, force: bool) -> int:
    """0: nothing runs any more. 1: it still does."""
    state = read_state(home.state_file)
    launcher = process_of(state.pid, state.created) if state else None
    if state is None or launcher is None:
        return _nothing_to_stop(home, state)
    if force:
        return _force(launcher, state)
    launcher.terminate()
    _say(f"Asked the launcher (pid {state.pid}) to finish what runs and stop.")
    limit_s = state.drain_s * _drains(state) + BEYOND_DRAIN_S
    end = time.monotonic() + limit_s
    while (left_s := end - time.monotonic()) > 0:
        if _is_gone(launcher, min(left_s, SAY_EVERY_S)):
            _say("Stopped.")
            return STOPPED
        _say(_progress(home))
    _say(f"It still runs after {limit_s:g} s. `stop --force` ends it without waiting.")
    return STILL_RUNNING


def _drains(state: LauncherState) -> int:
    """The app server finishes its answers before the gateway finishes everybody else's."""
    return 2 if any(child.role == "api" for child in state.children) else 1


def _nothing_to_stop(home: Home, state: LauncherState | None) -> int:
    if state is None and is_locked(home.lock_file):
        _say(f"A launcher is starting in {home.root}; try again in a few seconds.")
        return STILL_RUNNING
    clear_leftovers(state)
    _say(f"Not running in {home.root}.")
    return STOPPED


def _force(launcher: psutil.Process, state: LauncherState) -> int:
    """The children follow the launcher by themselves; this waits until they have."""
    launcher.kill()
    if not _is_gone(launcher, SAY_EVERY_S):
        _say(f"The launcher (pid {state.pid}) cannot be ended; does it belong to another user?")
        return STILL_RUNNING
    clear_leftovers(state)
    _say("Ended.")
    return STOPPED


def _is_gone(process: psutil.Process, patience_s: float) -> bool:
    """A zombie is gone: only its own parent can do the rest."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if process_of(process.pid, process.create_time()) is None:
            return True
        time.sleep(0.1)
    return False


def _progress(home: Home) -> str:
    state = read_state(home.state_file)
    left = [c.name for c in state.children if c.status != "stopped"] if state else []
    return f"Still running: {', '.join(left) or 'the launcher'}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
