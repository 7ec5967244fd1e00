"""Which worker takes the next request: pure functions over plain values.

One gateway that knows all there is to know takes the `shortest_queue`. Several at once would all
run to the worker that was the shortest when it last reported, so each spreads its own requests
evenly and lets the reports decide between two workers drawn at random: `two_choices`.
`benchmarks/dispatch` runs these very functions and says what they cost in waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from random import choices, random
from typing import Final, Literal, NamedTuple

Method = Literal["two_choices", "shortest_queue", "lottery"]

DRAWN: Final = 64
"""`two_choices` looks at so many candidates, drawn at random, when there are more."""


class Candidate(NamedTuple):
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


Policy = Callable[[Sequence[Candidate]], Candidate | None]


def shortest_queue(candidates: Sequence[Candidate]) -> Candidate | None:
    """The candidate that would finish this request first; a random one among equals."""
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    least = inf
    equals: list[Candidate] = []
    for candidate in candidates:
        # `wait_of`, spelt out: this is the hot path
        wait = (candidate.mine + candidate.others + 1) / (candidate.slots * candidate.speed)
        if wait < least:
            least = wait
            equals = [candidate]
        elif wait == least:
            equals.append(candidate)
    return equals[int(random() * len(equals))] if len(equals) > 1 else equals[0]


def two_choices(candidates: Sequence[Candidate]) -> Candidate | None:
    """The better of two drawn from those where this process has the least in flight.

    Its own count is exact and so comes first; what others have there is seconds old, and who
    always believed the smallest report would follow everybody else to the same worker.
    """
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    if len(candidates) > DRAWN:
        candidates = choices(candidates, k=DRAWN)
    least = inf
    equals: list[Candidate] = []
    for candidate in candidates:
        busy = candidate.mine / (candidate.slots * candidate.speed)
        if busy < least:
            least = busy
            equals = [candidate]
        elif busy == least:
            equals.append(candidate)
    return _better_of_two(equals)


def _better_of_two(candidates: list[Candidate]) -> Candidate:
    count = len(candidates)
    if count == 1:
        return candidates[0]
    at = int(random() * count)
    step = 1 + int(random() * (count - 1))  # never all the way round to itself
    one, other = candidates[at], candidates[at - step]
    return one if wait_of(one) <= wait_of(other) else other


def lottery(candidates: Sequence[Candidate]) -> Candidate | None:
    """A random candidate, in proportion to its speed."""
    if not candidates:
        return None
    return choices(candidates, weights=[c.speed for c in candidates])[0]


POLICIES: Final[Mapping[Method, Policy]] = {
    "shortest_queue": shortest_queue,
    "two_choices": two_choices,
    "lottery": lottery,
}


def choose(method: Method, candidates: Sequence[Candidate]) -> Candidate | None:
    return POLICIES[method](candidates)


def method_for(gateways: int) -> Method:
    """What so many gateways that send to the same workers should use."""
    return "shortest_queue" if gateways == 1 else "two_choices"


def wait_of(candidate: Candidate) -> float:
    """Requests there, one more counted, for each unit of throughput."""
    ahead = candidate.mine + candidate.others
    return (ahead + 1) / (candidate.slots * candidate.speed)
