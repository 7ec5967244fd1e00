"""One timer for each connection, moved without touching the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Final

from server.core.limits import BODY_IDLE_S, HEADERS_S, LINGER_S, WRITE_STALL_S

HEAD: Final = "head"
IDLE: Final = "idle"
BODY: Final = "body"
REST: Final = "rest"
"""Of a body whose request has been answered, or of whatever else a refused client still sends."""
STALL: Final = "stall"
"""The client reads nothing."""
FLUSH: Final = "flush"
"""The same, after the last answer."""

_STALL_GRACE_S = 1.0
"""The application gives up on a stalled client first, and may still say so."""
_LOOP_TICK_S = 0.001
"""uvloop's timers and its clock count whole milliseconds."""


class Deadline:
    """Tells `expire` what has been waited for too long.

    Set and cleared with every request, so both only make a note; the one timer looks at the note
    when it fires.
    """

    __slots__ = ("_due", "_expire", "_fires", "_limits", "_loop", "_timer", "what")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: dict[str, float],
        expire: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._expire: Callable[[str], None] | None = expire
        self._due = 0.0
        self._fires = inf
        self._timer: asyncio.TimerHandle | None = None
        self.what: str | None = None
        """What is waited for; set it to None when nothing is any more."""

    def set(self, what: str, latest: float = inf) -> None:
        """Wait for this, and nothing else, from when it was first said; `latest`, by the loop's
        clock, is the end of its time in any case."""
        if what == self.what:
            return
        self.what = what
        due = self._loop.time() + self._limits[what]
        if latest < due:
            due = latest
        self._due = due
        if due < self._fires:
            self._arm(due)

    def close(self) -> None:
        """Never again; lets go of who would have been told."""
        self.what = self._expire = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires = due
        self._timer = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._fires = inf
        if self.what is None or self._expire is None:
            return
        if self._loop.time() + _LOOP_TICK_S < self._due:
            self._arm(self._due)
            return
        what, self.what = self.what, None
        self._expire(what)


def limits_s(keep_alive_s: float) -> dict[str, float]:
    """How long each may take, in seconds."""
    return {
        HEAD: HEADERS_S,
        IDLE: keep_alive_s,
        BODY: BODY_IDLE_S,
        REST: LINGER_S,
        STALL: WRITE_STALL_S + _STALL_GRACE_S,
        FLUSH: WRITE_STALL_S,
    }
