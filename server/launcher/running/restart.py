"""When a child that ended is started again, and when it is left alone."""

from __future__ import annotations

from collections import deque

from server.core.clock import Clock
from server.core.limits import (
    CRASH_WINDOW_S,
    CRASHES_TO_QUARANTINE,
    RESTART_MAX_S,
    RESTART_MIN_S,
)

HEALTHY_S = CRASH_WINDOW_S
"""A child that served for so long starts again as if it had never crashed."""


class RestartPolicy:
    """Backoff that doubles, and quarantine for what crashes too often or never gets ready."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._crashes: deque[float] = deque(maxlen=CRASHES_TO_QUARANTINE)
        self._in_vain = 0
        self._delay_s = RESTART_MIN_S
        self._ready_since: float | None = None

    def ready(self) -> None:
        self._ready_since = self._clock.monotonic()
        self._in_vain = 0

    def ended(self) -> float | None:
        """Seconds to wait before it is started again; None: leave it alone."""
        now = self._clock.monotonic()
        if self._ready_since is None:
            self._in_vain += 1
        elif now - self._ready_since >= HEALTHY_S:
            self._delay_s = RESTART_MIN_S
        self._ready_since = None
        self._crashes.append(now)
        if self._crashes_too_often() or self._in_vain >= CRASHES_TO_QUARANTINE:
            return None
        delay_s = self._delay_s
        self._delay_s = min(2 * delay_s, RESTART_MAX_S)
        return delay_s

    def _crashes_too_often(self) -> bool:
        full = len(self._crashes) == CRASHES_TO_QUARANTINE
        return full and self._crashes[-1] - self._crashes[0] <= CRASH_WINDOW_S
