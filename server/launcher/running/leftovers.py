"""Children of a launcher that was killed. They end by themselves; this makes sure of it."""

from __future__ import annotations

import psutil

from server.launcher.running.state import process_of
from server.wire.launcher import LauncherState

PATIENCE_S = 3.0


def clear_leftovers(state: LauncherState | None, patience_s: float = PATIENCE_S) -> None:
    """Wait for the processes that a dead launcher has written down, then end what is left.

    Only a process that started at the very time that was written down is one of ours.
    """
    if state is None or process_of(state.pid, state.created) is not None:
        return
    found = [process_of(child.pid, child.created) for child in state.children]
    ours = [process for process in found if process is not None]
    _, left = psutil.wait_procs(ours, timeout=patience_s)
    for process in left:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(left, timeout=1)
