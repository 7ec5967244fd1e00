"""What is said of a child that has ended, or of what it said itself."""

from __future__ import annotations

from server.core.limits import CRASHES_TO_QUARANTINE
from server.launcher.running.logs import printable


def sentence(text: str) -> str:
    """On one line, and without its own end mark."""
    return printable(" ".join(text.split())).rstrip(".:; ")


def next_step(delay_s: float | None) -> str:
    if delay_s is not None:
        return f"It is started again in {delay_s:g} s."
    return (
        f"It failed {CRASHES_TO_QUARANTINE} times and is left alone now (quarantined) "
        "until somebody starts it, or Shortline, again."
    )
