"""Processes that our children started and left behind.

They would go to the machine's first process, and in many containers that one collects nobody: each
would stay a zombie for ever. So on Linux they come to us instead.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress

import psutil

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """From now on, for the whole of this process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Orphans:
    def __init__(self) -> None:
        self._dead: set[int] = set()

    def collect(self) -> None:
        """Those that were dead the last time too: our own children are waited for by others, who
        take no longer than a moment."""
        dead = _dead_children()
        for pid in dead & self._dead:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self._dead = dead


def _dead_children() -> set[int]:
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if child.status() == psutil.STATUS_ZOMBIE:
                found.add(child.pid)
    return found
