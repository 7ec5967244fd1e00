"""The ways of sending requests to workers that are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import choices
from typing import Final, Literal

from benchmarks.dispatch.gateways import Choice, Gateways, Reports
from benchmarks.dispatch.peers import AtRandom, FastChat, Ideal
from benchmarks.dispatch.simulation import Dispatcher, Simulation
from server.core.dispatch import (
    Candidate,
    Policy,
    policy_for,
    shortest_queue,
    two_choices,
    wait_of,
)

Kind = Literal[
    "one line",
    "ideal",
    "ours",
    "clock",
    "any two",
    "two choices",
    "shortest",
    "own counts",
    "FastChat",
    "random",
]

_WORDS: Final[Mapping[Kind, str]] = {
    "one line": "one line for all",
    "clock": "reports by the clock",
    "shortest": "shortest queue",
    "own counts": "own counts alone",
}


@dataclass(frozen=True, slots=True)
class Way:
    kind: Kind
    """`one line`: no dispatch at all, the next free slot takes the request that waits longest."""
    gateways: int = 1

    @property
    def name(self) -> str:
        if self.kind == "ours":
            return "1 gateway" if self.gateways == 1 else f"{self.gateways} gateways"
        words = _WORDS.get(self.kind, self.kind)
        return f"{self.gateways}, {words}" if self.gateways > 1 else words


def any_two(candidates: Sequence[Candidate]) -> Candidate:
    """The textbook's power of two choices, over all that is known of all candidates."""
    one, other = choices(candidates, k=2)
    return one if wait_of(one) <= wait_of(other) else other


def build(way: Way, workers: int, slots: int) -> Simulation:
    if way.kind == "one line":
        return Simulation(1, workers * slots, AtRandom(1))
    return Simulation(workers, slots, _dispatcher(way, workers, slots))


def _dispatcher(way: Way, workers: int, slots: int) -> Dispatcher:
    alone: dict[Kind, Callable[[int], Dispatcher]] = {
        "ideal": Ideal,
        "FastChat": FastChat,
        "random": AtRandom,
    }
    if way.kind in alone:
        return alone[way.kind](workers)
    ours = partial(policy_for, way.gateways)
    ways: dict[Kind, Choice] = {
        "ours": ours,
        "clock": ours,
        "any two": always(any_two),
        "two choices": always(two_choices),
        "shortest": always(shortest_queue),
        "own counts": always(shortest_queue),
    }
    reports: dict[Kind, Reports] = {"clock": "clock", "own counts": "none"}
    return Gateways(
        way.gateways, workers, slots, ways[way.kind], reports=reports.get(way.kind, "soon")
    )


def always(policy: Policy) -> Choice:
    """Whatever others may have sent."""
    return lambda unseen: policy
