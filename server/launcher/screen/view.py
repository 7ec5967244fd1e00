"""What people see: a live table while things load on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol, TextIO

from server.core.clock import Clock
from server.wire.launcher import ChildState


class View(Protocol):
    def changed(self, children: Sequence[ChildState]) -> None:
        """Some child's state is another one now."""

    def say(self, text: str) -> None: ...

    def settle(self) -> None:
        """Loading is over; from now on only `say` is shown."""


STEP = 0.25
"""Of the weights of a model: so much more of them is worth a line."""


class Lines:
    """One line for each change while things load."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._shown: dict[str, str] = {}
        self._done: dict[str, float] = {}
        self._loading = True

    def changed(self, children: Sequence[ChildState]) -> None:
        for child in children:
            line = _line(child)
            if self._loading and line and self._shown.get(child.name) != line:
                if not self._is_far_enough(child):
                    continue
                self._shown[child.name] = line
                self.say(line)

    def _is_far_enough(self, child: ChildState) -> bool:
        """A model of 100 GB tells of its weights twice a second, for minutes."""
        if child.done is None:
            self._done.pop(child.name, None)
            return True
        before = self._done.get(child.name)
        if before is not None and before <= child.done < min(1.0, before + STEP):
            return False
        self._done[child.name] = child.done
        return True

    def say(self, text: str) -> None:
        with suppress(OSError, ValueError):  # nobody reads us any more; serving goes on
            self._out.write(text + "\n")
            self._out.flush()

    def settle(self) -> None:
        self._loading = False


def open_view(*, quiet: bool, clock: Clock) -> View:
    if quiet or not sys.stdout.isatty():
        return Lines(sys.stdout)
    from server.launcher.screen.live import LiveTable  # loads rich, which plain lines do not need

    return LiveTable(clock)


def _line(child: ChildState) -> str:
    if child.missing:
        return f"{child.name}: waits for {child.missing}"
    if child.status == "ready":
        return f"{child.name}: ready at {child.address}"
    if child.status == "loading":
        return f"{child.name}: {child.detail or 'loading'}"
    return f"{child.name}: starting" if child.status == "starting" else ""
