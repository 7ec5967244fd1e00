"""A clock that moves when it is told to."""

from __future__ import annotations


class ManualClock:
    def __init__(self, at: float = 1000.0) -> None:
        self.at = at

    def monotonic(self) -> float:
        return self.at

    def wall(self) -> float:
        return 1_700_000_000.0 + self.at

    def advance(self, seconds: float) -> None:
        self.at += seconds
