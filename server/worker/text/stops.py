"""Ends an answer at a stop text, and lets no part of one through."""

from __future__ import annotations

from collections.abc import Iterable


class StopHolder:
    """Holds back what may turn out to be the start of a stop text.

    However the text is cut into pieces, the same text comes out. The stop that is complete first
    wins, the longest of those that end together.
    """

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """What can be shown now. After `stopped`, nothing."""
        if self.stopped:
            return ""
        if not self._stops:
            return text
        seen = self._held + text
        end = self._first_stop(seen)
        if end is None:
            end = len(seen) - self._doubtful(seen)
            self._held = seen[end:]
        else:
            self.stopped = True
            self._held = ""
        return seen[:end]

    def flush(self) -> str:
        """What was held back and was no stop after all."""
        rest, self._held = self._held, ""
        return rest

    def _first_stop(self, text: str) -> int | None:
        """Where the first complete stop begins."""
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        return min(found)[1] if found else None

    def _doubtful(self, text: str) -> int:
        """Characters at the end of `text` that a stop text begins with."""
        longest = min(len(text), max(map(len, self._stops)) - 1)
        return next(
            (n for n in range(longest, 0, -1) if any(s.startswith(text[-n:]) for s in self._stops)),
            0,
        )
