"""One way under one load: from seconds waited to slowdown."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

from benchmarks.dispatch.peers import FASTCHAT_BEAT_S
from benchmarks.dispatch.simulation import Served
from benchmarks.dispatch.traffic import Sizes, arrivals, draw_sizes
from benchmarks.dispatch.ways import Way, build
from benchmarks.gateway.summary import percentile

WARM_UP = 0.1
"""The first requests of a run find empty workers and are not counted: this share of all."""
FASTCHAT_BEATS = 6
"""FastChat's way is simulated for at least so many heartbeats, or it would seem too good."""


@dataclass(frozen=True, slots=True)
class Case:
    workers: int
    slots: int
    load: float
    """Share of all slots that is busy on average."""
    mean_s: float
    """Seconds of service that a request needs on average."""
    requests: int
    sizes: Sizes = "pareto"
    seed: int = 1

    @property
    def per_s(self) -> float:
        return self.load * self.workers * self.slots / self.mean_s


@dataclass(frozen=True, slots=True)
class Task:
    way: Way
    case: Case


@dataclass(frozen=True, slots=True)
class Figures:
    """Slowdown is the time from arrival to end, in times of service: 1 for who never waits."""

    p50: float
    p99: float
    waited: float
    """The share of requests that had to wait."""


@dataclass(frozen=True, slots=True)
class Measured:
    way: Way
    case: Case
    figures: Figures


def measure(task: Task) -> Measured:
    case = task.case
    random.seed(case.seed)
    if task.way.kind == "FastChat":
        least = ceil(FASTCHAT_BEATS * FASTCHAT_BEAT_S * case.per_s)
        case = replace(case, requests=max(case.requests, least))
    served = build(task.way, case.workers, case.slots).run(requests_of(case))
    return Measured(task.way, task.case, summarise(served))


def requests_of(case: Case) -> Iterator[tuple[float, float]]:
    """They depend on the case alone, so that every way gets the same."""
    traffic = random.Random(case.seed)
    sizes = draw_sizes(case.sizes, case.mean_s, traffic)
    return arrivals(case.requests, case.per_s, sizes, traffic)


def summarise(served: Served) -> Figures:
    first = int(WARM_UP * len(served.waited_s))
    waited_s, sizes_s = served.waited_s[first:], served.sizes_s[first:]
    slowdowns = sorted(1 + w / size for w, size in zip(waited_s, sizes_s, strict=True))
    waited = sum(w > 0 for w in waited_s) / max(1, len(waited_s))
    return Figures(percentile(slowdowns, 0.5), percentile(slowdowns, 0.99), waited)
