"""What is simulated, and how much of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from benchmarks.dispatch.affinity import Ask, Keys, Rule
from benchmarks.dispatch.measure import Case, Task
from benchmarks.dispatch.ways import Kind, Way

LOADS = (0.7, 0.8, 0.9, 0.95)
COMPARED_AT = 0.8
"""The load at which fleets and affinities are compared."""
SLOTS = (1, 4, 8)
MEANS_S = (0.5, 2.0, 8.0)
"""Of the fleets that are compared: seconds of service."""
CONSIDERED: tuple[Kind, ...] = ("clock", "two choices", "any two", "shortest", "own counts")
"""What several gateways could do instead."""
Part = Literal["loads", "fleets", "keys"]
SCANNED = 1_000
"""With more workers, ways that look at each of them for every request are left out: a million
requests to 10,000 workers would take them half an hour."""
_SCANNING: tuple[Kind, ...] = ("shortest", "own counts")
KEPT_PART = 5
"""Affinity is tried with this part of the requests: it hashes the address of every worker."""


@dataclass(frozen=True, slots=True)
class Plan:
    by_load: tuple[Task, ...]
    by_fleet: tuple[Task, ...]
    kept: tuple[Ask, ...]


def make_plan(case: Case, gateways: Sequence[int], parts: Sequence[Part]) -> Plan:
    """`case` at each of `LOADS`; fleets that differ from it, and affinity, at one load."""
    compared = replace(case, load=COMPARED_AT)
    crowd = max(gateways)
    fleets = (
        replace(compared, slots=slots, mean_s=mean_s) for slots in SLOTS for mean_s in MEANS_S
    )
    fewer = replace(compared, requests=max(1, compared.requests // KEPT_PART))
    return Plan(
        by_load=tuple(
            Task(way, replace(case, load=load))
            for load in LOADS
            for way in _ways(case, gateways)
            if "loads" in parts
        ),
        by_fleet=tuple(
            Task(way, fleet)
            for fleet in fleets
            for way in _ways(case, sorted({1, crowd}))
            if "fleets" in parts and way.kind not in ("one line", "random")
        ),
        kept=tuple(
            Ask(fewer, number, keys, rule)
            for number in sorted({1, crowd})
            for keys in get_args(Keys)
            for rule in get_args(Rule)
            if "keys" in parts and case.workers <= SCANNED
        ),
    )


def _ways(case: Case, gateways: Sequence[int]) -> list[Way]:
    crowd = max(gateways)
    ways = [
        Way("one line"),
        Way("ideal"),
        *(Way("ours", number) for number in gateways),
        *(Way(kind, crowd) for kind in CONSIDERED if crowd > 1),
        Way("FastChat"),
        Way("random"),
    ]
    return ways if case.workers <= SCANNED else [way for way in ways if not _scans(way)]


def _scans(way: Way) -> bool:
    return way.kind in _SCANNING or way == Way("ours")
