"""All that one run has found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.chat.cost import Cost
from benchmarks.chat.crowd import Crowd, Following
from benchmarks.chat.latency import NEW, OLD, FirstToken
from benchmarks.chat.messages import Seen
from benchmarks.chat.share import Share
from benchmarks.chat.ways import APP
from benchmarks.gateway.goals import Goal

ADDED_FIRST_MS = 15.0
"""Median, one client."""


@dataclass(frozen=True, slots=True)
class Results:
    firsts: Sequence[FirstToken]
    costs: Sequence[Cost]
    crowds: Sequence[Crowd]
    following: Following
    shares: Sequence[Share]
    seen: Sequence[Seen]

    @property
    def errors(self) -> dict[str, int]:
        """By way and reason."""
        wrong: Counter[str] = Counter()
        for seen in self.seen:
            wrong.update({f"{seen.name}: {why}": n for why, n in seen.errors.items()})
        return dict(wrong)


def goals(results: Results) -> list[Goal]:
    found = [
        Goal(f"added time to first token, {first.place}, p50, ms", first.added_p50_ms, most)
        for place, most in ((NEW, ADDED_FIRST_MS), (OLD, ADDED_FIRST_MS))
        for first in results.firsts
        if (first.way, first.place) == (APP, place)
    ]
    found.append(Goal("answers that were not whole", sum(results.errors.values()), 0))
    return found
