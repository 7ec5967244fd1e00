"""Very many requests through our gateway, with an eye on its memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.gateway.cases import SOAK_CLIENTS, soak_cases
from benchmarks.gateway.goals import Goal
from benchmarks.gateway.measure import sample
from benchmarks.gateway.process import Process
from benchmarks.gateway.report import goal_lines
from benchmarks.gateway.ways import GATEWAY, Way

SETTLED_AFTER = 10_000
"""Requests; until then its pools and caches fill up."""
GROWN_MB = 1.0
"""More is no noise of the allocator's: it is ten bytes for each of 100,000 requests."""


@dataclass(frozen=True, slots=True)
class Reading:
    requests: int
    """Since the start."""
    resident: int
    """Bytes, of the gateway."""


@dataclass(frozen=True, slots=True)
class Soaked:
    readings: tuple[Reading, ...]
    errors: Mapping[str, int]
    stalls: int

    @property
    def failures(self) -> int:
        return sum(self.errors.values()) + self.stalls


async def soak(way: Way, load: Process, requests: int) -> Soaked:
    """Whole answers and streams in turn, and a reading after each thousand."""
    gateway = way.processes[GATEWAY]
    readings = [Reading(0, gateway.resident_bytes())]
    errors: Counter[str] = Counter()
    stalls = 0
    for case in soak_cases(requests):
        tally = (await sample(load, way, case, warm=0)).tally
        errors.update(tally.errors)
        stalls += tally.stalls
        done = readings[-1].requests + case.requests
        readings.append(Reading(done, gateway.resident_bytes()))
    return Soaked(tuple(readings), errors, stalls)


def grown_bytes(readings: Sequence[Reading]) -> float:
    """From the first tenth to the last tenth of the readings after `SETTLED_AFTER` requests, or
    after the first half of fewer than twice as many. The median of each, because an allocator
    breathes."""
    settled = min(SETTLED_AFTER, readings[-1].requests // 2)
    found = [one.resident for one in readings if one.requests >= settled]
    tenth = max(1, len(found) // 10)
    return median(found[-tenth:]) - median(found[:tenth])


def soak_goals(soaked: Soaked) -> list[Goal]:
    settled = min(SETTLED_AFTER, soaked.readings[-1].requests // 2)
    grown_mb = grown_bytes(soaked.readings) / 1e6
    return [
        Goal(f"resident memory grown after {settled:,} requests, MB", grown_mb, GROWN_MB),
        Goal("requests that were not answered completely", soaked.failures, 0),
    ]


def soak_text(soaked: Soaked) -> str:
    readings = soaked.readings
    step = max(1, len(readings) // 10)
    shown = [*readings[:-1:step], readings[-1]]
    lines = [f"{one.requests:>11,} requests  {one.resident / 1e6:6.1f} MB" for one in shown]
    head = f"{SOAK_CLIENTS} clients, whole answers and streams in turn"
    wrong = [f"{why}: {count}" for why, count in soaked.errors.items()]
    return "\n".join([head, *lines, *wrong, "", goal_lines(soak_goals(soaked))])
