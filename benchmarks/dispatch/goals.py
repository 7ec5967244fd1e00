"""What dispatch promises, as figures of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.dispatch.affinity import Kept
from benchmarks.dispatch.measure import Measured
from benchmarks.gateway.goals import Goal

TO_IDEAL = 1.02
"""One gateway's p99 to the ideal's: they toss different coins among equals."""
CROWD = 16
CROWD_P99 = 4.5
CROWD_LOAD = 0.8


@dataclass(frozen=True, slots=True)
class Results:
    by_load: Sequence[Measured]
    by_fleet: Sequence[Measured]
    kept: Sequence[Kept]


def goals(results: Results) -> list[Goal]:
    """Those that this run has measured."""
    found = []
    for where, measured in (("load", results.by_load), ("fleet", results.by_fleet)):
        alone = [one for one in measured if one.way.name == "1 gateway"]
        if alone:
            worst = max(one.figures.p99 / ideal_of(one, measured) for one in alone)
            words = f"one gateway: p99 slowdown to the ideal's, at its worst {where}"
            found.append(Goal(words, worst, TO_IDEAL))
    for one in results.by_load:
        if one.way.name == f"{CROWD} gateways" and one.case.load == CROWD_LOAD:
            words = f"{CROWD} gateways: p99 slowdown at a load of {CROWD_LOAD:g}"
            found.append(Goal(words, one.figures.p99, CROWD_P99))
    crowds = [one.figures.p99 for one in results.by_fleet if one.way.name == f"{CROWD} gateways"]
    if crowds:
        words = f"{CROWD} gateways: p99 slowdown in their worst fleet"
        found.append(Goal(words, max(crowds), CROWD_P99))
    return found


def ideal_of(one: Measured, among: Sequence[Measured]) -> float:
    """The ideal p99 in the case of `one`."""
    return next(m.figures.p99 for m in among if m.way.kind == "ideal" and m.case == one.case)
