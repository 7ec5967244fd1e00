"""How much of everything."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.gateway.messages import Ask

FIRST = Ask(stream=True, events=4, every_ms=2.0)
"""To measure the time to the first token."""
QUESTION = Ask(stream=True, events=1)
"""What a question costs before there is an answer."""
TURNS = 4
"""Of the conversation that exists already."""


@dataclass(frozen=True, slots=True)
class Plan:
    rounds: int
    first_requests: int
    """In each round, on each way."""
    questions: int
    """In each round, of each of `CLIENTS`."""
    paced: Ask
    """Every token an event of its own, read before the next comes."""
    paced_clients: int
    fast: Ask
    fast_requests: int
    """In each round, of each of `CLIENTS`."""
    crowds: tuple[int, ...]
    crowd: Ask
    crowd_spread_s: float
    """Over which the questions come; the answers last longer, so that all run at once."""
    readers: int
    """Of one and the same answer."""
    followed: Ask


CLIENTS = 4
FULL = Plan(
    rounds=5,
    first_requests=30,
    questions=25,
    paced=Ask(stream=True, events=100, every_ms=20.0),
    paced_clients=16,
    fast=Ask(stream=True, events=1024, burst=16),
    fast_requests=4,
    crowds=(50, 200),
    crowd=Ask(stream=True, events=80, every_ms=100.0),
    crowd_spread_s=4.0,
    readers=1000,
    followed=Ask(stream=True, events=16, every_ms=1000.0),
)
QUICK = Plan(
    rounds=1,
    first_requests=3,
    questions=2,
    paced=Ask(stream=True, events=10, every_ms=10.0),
    paced_clients=4,
    fast=Ask(stream=True, events=64, burst=16),
    fast_requests=1,
    crowds=(8,),
    crowd=Ask(stream=True, events=10, every_ms=20.0),
    crowd_spread_s=0.1,
    readers=20,
    followed=Ask(stream=True, events=10, every_ms=200.0),
)
