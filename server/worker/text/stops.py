"""Ends an answer at a stop text, and lets no part of one through."""

from __future__ import annotations

from collections.abc import Iterable

from server.worker.text.begun import begun


class StopHolder:
    """Holds back what may turn out to be the start of a stop text.

    However the text is cut into pieces, the same text comes out. The stop that is complete first
    wins, the longest of those that end together.
    """

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.found: str | None = None
        """The stop text that ended the answer."""

    @property
    def stopped(self) -> bool:
        return self.found is not None

    def feed(self, text: str) -> str:
        """What can be shown now. After `stopped`, nothing."""
        if self.stopped:
            return ""
        if not self._stops:
            return text
        seen = self._held + text
        first = self._first_stop(seen)
        if first is not None:
            self._held = ""
            at, self.found = first
            return seen[:at]
        sure = len(seen) - begun(seen, self._stops)
        self._held = seen[sure:]
        return seen[:sure]

    def flush(self) -> str:
        """What was held back and was no stop after all."""
        rest, self._held = self._held, ""
        return rest

    def _first_stop(self, text: str) -> tuple[int, str] | None:
        """Where the first complete stop begins, and which it is."""
        found = [(at + len(stop), at, stop) for stop in self._stops if (at := text.find(stop)) >= 0]
        return min(found)[1:] if found else None
