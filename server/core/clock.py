"""Time as an argument: the real clock, and the protocol a test's clock follows."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds that never jump; for every deadline."""

    def wall(self) -> float:
        """Seconds since 1970; only for what people read."""


class SystemClock:
    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
