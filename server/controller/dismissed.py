"""Workers that an operator has let leave for good: their models are not coming back."""

from __future__ import annotations

from typing import Final

MAX_DISMISSED: Final = 1000
"""Of more, the oldest are forgotten: every gateway has heard of them long ago."""


class Dismissed:
    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, name: str) -> bool:
        """Whether that is new."""
        new = name not in self._names
        self._names[name] = None
        if len(self._names) > MAX_DISMISSED:
            del self._names[next(iter(self._names))]
        return new

    def welcome(self, name: str) -> None:
        """It has joined again."""
        self._names.pop(name, None)

    def names(self) -> tuple[str, ...]:
        return tuple(self._names)
