"""`startup.py worker stop|start|restart|drain|swap NAME`: say it to the launcher of this home."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from server.core.clock import Clock
from server.launcher.care.status import observe
from server.launcher.running.inbox import put_wish
from server.launcher.running.state import process_of, read_state
from server.launcher.setup.home import Home
from server.launcher.setup.plan import WORKERS
from server.wire.launcher import ChildState
from server.wire.process import Request

TOLD, UNHEARD, UNKNOWN, NOT_RUNNING = 0, 1, 2, 3
HEARD_S = 5.0
_SO_ALREADY = {"stop": "stopped", "drain": "draining", "start": "ready"}


def tell(home: Home, action: str, name: str, clock: Clock, path: str = "") -> int:
    """0: the launcher has heard it. 1: it does not listen. 2: there is no such worker, or it cannot
    do that. 3: not running."""
    state = read_state(home.state_file)
    if state is None or process_of(state.pid, state.created) is None:
        _say(f"Not running in {home.root}; what is stopped or drained is said while it runs.")
        return NOT_RUNNING
    found = _meant(name, [child for child in state.children if child.role in WORKERS])
    if isinstance(found, str):
        _say(found)
        return UNKNOWN
    row = observe(found, clock.wall())
    if row.status == _SO_ALREADY.get(action):
        _say(f"{row.name} is {row.status} already.")
        return TOLD
    if action == "drain" and row.status == "stopped":
        _say(f"{row.name} is stopped, so there is nothing to drain; start it first.")
        return UNKNOWN
    if action == "swap" and found.role != "model_worker" and path:
        _say(f"{row.name} loads no weights, so there is none to put in their place.")
        return UNKNOWN
    request = Request.model_validate({"ask": action, "child": found.name, "path": path})
    if not is_heard(put_wish(home.wishes, request)):
        _say(f"The launcher (pid {state.pid}) does not listen; is it frozen or stopping?")
        return UNHEARD
    _say(f"{found.name}: {action}. `status` shows when it is done.")
    if path:
        _say("It stays so over every restart, until `path` in configs/fleet.yaml is changed.")
    return TOLD


def _meant(name: str, workers: Sequence[ChildState]) -> ChildState | str:
    """By its whole name, or by the part after its role where that is enough; else why not."""
    for worker in workers:
        if worker.name == name:
            return worker
    short = [worker for worker in workers if worker.name.partition(" ")[2] == name]
    if len(short) == 1:
        return short[0]
    known = ", ".join(repr(worker.name) for worker in workers)
    return f"No worker is called {name!r}; there are: {known or 'none'}."


def is_heard(wish: Path) -> bool:
    """It is taken back when nobody has taken it."""
    end = time.monotonic() + HEARD_S
    while time.monotonic() < end:
        if not wish.exists():
            return True
        time.sleep(0.05)
    with suppress(FileNotFoundError):
        wish.unlink()
        return False
    return True


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
