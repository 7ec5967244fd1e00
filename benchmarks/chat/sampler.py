"""Where a process spends its processor time, package by package.

A timer that runs on processor time interrupts the main thread, and the time since the last
interruption goes to the package of the innermost frame that belongs to one. What Python's own
library and compiled code do is thus counted for whoever called them.
"""

from __future__ import annotations

import signal
from collections import defaultdict
from collections.abc import Mapping
from time import process_time, thread_time
from types import FrameType

EVERY_S = 0.001
OTHER_THREADS = "other threads"
NO_PACKAGE = "none of these"


class Sampler:
    """Of the process and thread that it is started in. Costs about two per cent."""

    def __init__(self, packages: Mapping[str, str]) -> None:
        """What to call which module or package; of nested ones the first that fits counts."""
        self._packages = packages
        self._known: dict[str, str | None] = {}
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._main_s = 0.0
        self._began_s = 0.0

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
        self._begin()

    def take(self) -> dict[str, float]:
        """Seconds by package since the last call."""
        spent = dict(self._spent)
        whole_s = process_time() - self._began_s
        spent[OTHER_THREADS] = max(0.0, whole_s - sum(spent.values()))
        self._begin()
        return spent

    def _begin(self) -> None:
        self._spent.clear()
        self._main_s, self._began_s = thread_time(), process_time()

    def _take(self, _signal: int, frame: FrameType | None) -> None:
        now_s = thread_time()
        self._spent[self._owner(frame)] += now_s - self._main_s
        self._main_s = now_s

    def _owner(self, frame: FrameType | None) -> str:
        while frame is not None:
            package = self._package(frame.f_globals.get("__name__", ""))
            if package is not None:
                return package
            frame = frame.f_back
        return NO_PACKAGE

    def _package(self, module: str) -> str | None:
        if module not in self._known:
            self._known[module] = next(
                (
                    called
                    for name, called in self._packages.items()
                    if f"{module}.".startswith(f"{name}.")
                ),
                None,
            )
        return self._known[module]
