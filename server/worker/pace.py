"""How fast a worker's line moves, for an honest `Retry-After`."""

from __future__ import annotations

import math

from server.core.clock import Clock
from server.core.limits import RETRY_AFTER_MAX_S, RETRY_AFTER_S

_WEIGHT = 0.2
"""Of the newest time in the moving average: about the last ten count."""


class Pace:
    """How long requests keep their slots. Those that still run count by their age, so that a
    worker which has finished nothing yet, or nothing for long, does not promise too much."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._average_s = 0.0
        self._running = 0
        self._begun = 0.0
        """Sum of the times at which those that run began."""

    def begin(self) -> float:
        """A request has its slot; what is returned goes to `end`."""
        began = self._clock.monotonic()
        self._running += 1
        self._begun += began
        return began

    def end(self, began: float) -> None:
        took_s = self._clock.monotonic() - began
        self._average_s += (took_s - self._average_s) * (_WEIGHT if self._average_s else 1.0)
        self._running -= 1
        self._begun -= began

    def wait_s(self, ahead: int, slots: int) -> float:
        """Whole seconds until `slots` have worked off `ahead` requests and one is free again."""
        age_s = self._clock.monotonic() - self._begun / self._running if self._running else 0.0
        wait_s = max(self._average_s, age_s) * (ahead + 1) / slots
        return float(math.ceil(min(max(wait_s, RETRY_AFTER_S), RETRY_AFTER_MAX_S)))
