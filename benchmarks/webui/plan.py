"""How much of everything."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.webui.scripted import Script


@dataclass(frozen=True, slots=True)
class Plan:
    rounds: int
    script: Script
    """Of the answer that is watched while it is written."""
    messages: int
    """Of the long conversation."""
    message_chars: int
    """Of each of its answers, at least."""


FULL = Plan(
    rounds=3,
    script=Script(chars=13_000, piece=12, every_ms=5.0),
    messages=300,
    message_chars=1_500,
)
"""The answer comes at some 700 tokens a second, faster than anybody reads."""
QUICK = Plan(
    rounds=1,
    script=Script(chars=2_000, piece=100, every_ms=5.0),
    messages=20,
    message_chars=1_500,
)
