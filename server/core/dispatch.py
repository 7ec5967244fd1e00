"""Which worker takes the next request: pure functions over plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import choices, random
from typing import Literal

Method = Literal["shortest_queue", "lottery"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One worker that serves the wanted model."""

    address: str
    mine: int = 0
    """Requests this process has in flight there: exact."""
    others: int = 0
    """Requests of everybody else, as the worker last reported them."""
    speed: float = 1.0
    """Relative throughput; 2.0 drains a queue twice as fast."""
    slots: int = 1
    """Requests it works on at the same time."""


def shortest_queue(candidates: Sequence[Candidate]) -> Candidate | None:
    """The candidate that would finish this request first; a random one among equals."""
    return min(candidates, key=lambda c: (_wait(c), random()), default=None)


def lottery(candidates: Sequence[Candidate]) -> Candidate | None:
    """A random candidate, in proportion to its speed."""
    if not candidates:
        return None
    return choices(candidates, weights=[c.speed for c in candidates])[0]


def choose(method: Method, candidates: Sequence[Candidate]) -> Candidate | None:
    return lottery(candidates) if method == "lottery" else shortest_queue(candidates)


def _wait(candidate: Candidate) -> float:
    """Requests there, this one counted, for each unit of throughput."""
    ahead = candidate.mine + candidate.others
    return (ahead + 1) / (candidate.slots * candidate.speed)
