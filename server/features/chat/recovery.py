"""Going on with an answer after the way to its model was lost.

The model is asked the same again, with the same seed. What comes is compared with what there is
already, and only what is new is written. An answer that turns out differently cannot be joined
to the old one, and is not.
"""

from __future__ import annotations

import asyncio

MAX_LOSSES = 2
"""How many workers one question may cost: it may be what kills them."""
FIRST_PAUSE_S = 0.25
MAX_PAUSE_S = 2.0


class Diverged(Exception):
    """The model says something else this time."""


class Replay:
    def __init__(self, known: str) -> None:
        self._known = known
        self._at = 0

    def fresh(self, text: str) -> str:
        """What of `text` goes beyond what is known. Raises `Diverged`."""
        old = self._known[self._at : self._at + len(text)]
        if not text.startswith(old):
            raise Diverged
        self._at += len(old)
        return text[len(old) :]

    @property
    def is_through(self) -> bool:
        """Whether all that was known has come again."""
        return self._at == len(self._known)


class Recovery:
    """How often and how long to look for a way to the model."""

    def __init__(self, limit_s: float, *, may_replay: bool) -> None:
        self._limit_s = limit_s
        self._may_replay = may_replay
        self._losses = 0
        self._pause_s = FIRST_PAUSE_S
        self._end: float | None = None

    def pause_s(self, length: int, *, cost: bool) -> float | None:
        """How long to wait before the next attempt; None: there must be none.

        length: characters that have been written. `cost`: a worker had begun, and was lost.
        """
        now = asyncio.get_running_loop().time()
        if cost:
            self._losses += 1
            self._pause_s, self._end = FIRST_PAUSE_S, None
        if self._losses > MAX_LOSSES or (length and not self._may_replay):
            return None
        self._end = now + self._limit_s if self._end is None else self._end
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, MAX_PAUSE_S)
        return pause_s if now + pause_s <= self._end else None
