"""How often something has happened lately."""

from __future__ import annotations

from math import exp
from typing import Final

MEMORY_S: Final = 2.0
"""What happened so long ago counts a third as much as what happens now."""


class Rate:
    """Time is an argument, in seconds of any clock that does not go back."""

    __slots__ = ("_at", "_happened")

    def __init__(self) -> None:
        self._happened = 0.0
        self._at = 0.0

    def count(self, now: float) -> None:
        self._happened = self._faded(now) + 1.0
        self._at = now

    def per_s(self, now: float) -> float:
        return self._faded(now) / MEMORY_S

    def _faded(self, now: float) -> float:
        return self._happened * exp((self._at - now) / MEMORY_S)
