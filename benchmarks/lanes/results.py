"""From what was seen to figures, and to what the lanes promise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from benchmarks.lanes.asks import Seen
from server.core.limits import BATCH_BEHIND_S

RATIO = 1.5
"""Of the idle time to the first words, one decode step on top."""
BATCH_SHARE = 0.25
"""Of its own speed, which batch work keeps beside one interactive client."""
LONGEST_S = BATCH_BEHIND_S + 5.0
"""For a batch request under a flood of interactive ones: its ageing, and a few answers' time."""


@dataclass(frozen=True, slots=True)
class Rate:
    pieces: int
    seconds: float

    @property
    def per_s(self) -> float:
        return self.pieces / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Results:
    """All rounds together."""

    idle: Seen
    """Interactive requests, one after another, with nothing beside them."""
    without: Seen
    """The same beside the crowd, when neither says a lane."""
    beside: Seen
    """The same in their lane, beside the crowd in its own."""
    alone: Rate
    """The crowd in its lane, with nothing beside it."""
    shared: Rate
    """The crowd beside interactive requests."""
    flooded: Seen | None
    """Batch requests beside more interactive ones than there are slots; None: not measured."""
    others: Sequence[Seen]
    """Whose errors count too."""
    cancelled: int
    """Requests that were hung up on, as the worker counts them."""
    late: int
    """Tokens that were made for them afterwards."""

    @property
    def step_ms(self) -> float:
        """One decode step: between the pieces of an answer that has the worker to itself."""
        return percentile(self.idle.gaps_ms, 0.5)

    @property
    def errors(self) -> dict[str, int]:
        wrong: Counter[str] = Counter()
        for seen in (self.idle, self.without, self.beside, *self.others):
            wrong.update(seen.errors)
        return dict(wrong)

    def ratio(self, share: float, seen: Seen) -> float:
        """First words of `seen` against idle ones, one decode step taken off."""
        idle_ms = percentile(self.idle.firsts_ms, share)
        return (percentile(seen.firsts_ms, share) - self.step_ms) / idle_ms if idle_ms else 0.0


@dataclass(frozen=True, slots=True)
class Goal:
    words: str
    figure: float
    bound: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound


def goals(results: Results) -> list[Goal]:
    first = "interactive first words beside batch, one step taken off, times idle"
    found = [
        Goal(f"{first}, p50", results.ratio(0.5, results.beside), RATIO),
        Goal(f"{first}, p95", results.ratio(0.95, results.beside), RATIO),
        Goal(
            "batch beside one interactive client, of its own speed",
            results.shared.per_s / results.alone.per_s if results.alone.per_s else 0.0,
            BATCH_SHARE,
            at_least=True,
        ),
    ]
    if results.flooded is not None:
        longest_s = max(results.flooded.firsts_ms, default=0.0) / 1000
        found.append(
            Goal("longest wait of batch in a flood of interactive, s", longest_s, LONGEST_S)
        )
    late = results.late / results.cancelled if results.cancelled else 0.0
    found.append(Goal("tokens after a cancel, for each request cancelled", late, 1))
    found.append(Goal("answers that were not whole", sum(results.errors.values()), 0))
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of them does not exceed; 0 of nothing."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0.0
