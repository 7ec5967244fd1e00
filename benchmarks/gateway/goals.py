"""What the gateway promises, as figures of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.gateway.cases import STREAM, WHOLE
from benchmarks.gateway.summary import Comparison

ADDED_FIRST_MS = 3.0
"""Median, one client, streaming."""
CPU_MS_PER_REQUEST = 0.4
"""In the gateway process, non-streaming."""
CROWD = 64


@dataclass(frozen=True, slots=True)
class Goal:
    words: str
    figure: float
    most: float

    @property
    def met(self) -> bool:
        return self.figure <= self.most


def goals(comparisons: Sequence[Comparison]) -> list[Goal]:
    """Those that this run has measured."""
    found = []
    for one in comparisons:
        kind, clients = one.case.kind, one.case.clients
        if (kind, clients) == (STREAM, 1):
            added_ms = one.through.first_p50_ms - one.direct.first_p50_ms
            words = f"{one.way}: added time to first token at one client, p50, ms"
            found.append(Goal(words, added_ms, ADDED_FIRST_MS))
        if (kind, clients) == (WHOLE, CROWD):
            cpu_ms = one.through.cpu_ms_per_request.get("gateway", 0.0)
            words = f"{one.way}: CPU per non-streaming request, gateway, {CROWD} clients, ms"
            found.append(Goal(words, cpu_ms, CPU_MS_PER_REQUEST))
    for words, count in (("errors", failures(comparisons)), ("stalls", stalls(comparisons))):
        found.append(Goal(f"{words} in the whole run", count, 0))
    return found


def failures(comparisons: Sequence[Comparison]) -> int:
    """Requests that were not answered completely, on any way."""
    return sum(sum(f.errors.values()) for one in comparisons for f in (one.direct, one.through))


def stalls(comparisons: Sequence[Comparison]) -> int:
    return sum(f.stalls for one in comparisons for f in (one.direct, one.through))
