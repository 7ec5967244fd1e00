"""What must be held back of a text that comes in pieces."""

from __future__ import annotations

from collections.abc import Sequence


def begun(text: str, marks: Sequence[str]) -> int:
    """Characters at the end of `text` that one of `marks`, not all of it, begins with."""
    longest = min(len(text), max(map(len, marks), default=1) - 1)
    return next(
        (n for n in range(longest, 0, -1) if any(mark.startswith(text[-n:]) for mark in marks)), 0
    )
