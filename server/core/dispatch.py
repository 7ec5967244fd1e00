"""Which worker takes the next request: pure functions over plain values.

One gateway that knows all there is to know takes the `shortest_queue`. Several at once would all
run to the worker that was the shortest when it last reported. So each reckons with what the others
may have sent since, and takes one of the workers that would still be low then: `waterline`.
`benchmarks/dispatch` runs these very functions and says what they cost in waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from random import choices, random
from typing import Final, Literal, NamedTuple

from server.core.limits import BEAT_SOON_S, BEATS_PER_S, HEARTBEAT_S, LOADS_SOON_S

Method = Literal["two_choices", "shortest_queue", "lottery"]

DRAWN: Final = 128
"""`waterline` and `two_choices` look at so many candidates, drawn at random, of more."""


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


def waterline(candidates: Sequence[Candidate], unseen: float = 0.0) -> Candidate | None:
    """One of those that are still low when `unseen` more requests have come: those where this
    process has least itself, and of them the lower, the likelier.

    `unseen`: how many requests of others are probably there that no report has told of yet. They
    and this one are poured over the candidates like water, which fills the lowest first, and this
    one is any drop of it. With none unseen that is the shortest queue; the more there are, the less
    the reports decide, and the more its own requests, which it knows exactly.
    """
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    if len(candidates) > DRAWN:
        unseen *= DRAWN / len(candidates)
        candidates = choices(candidates, k=DRAWN)
    level, low = _pour(unseen + 1.0, candidates)
    least = min([candidate.mine / strength for _, strength, candidate in low])
    found: list[Candidate] = []
    room: list[float] = []
    for ahead, strength, candidate in low:
        if candidate.mine / strength == least:
            found.append(candidate)
            room.append(level * strength - ahead)
    if len(found) == 1:
        return found[0]
    if not 0.0 < sum(room) < inf:  # figures so large that one more is none
        return shortest_queue(found)
    return choices(found, room)[0]


_Basin = tuple[int, float, Candidate]
"""Requests there, what it gets done, and who it is."""


def _pour(drops: float, candidates: Sequence[Candidate]) -> tuple[float, list[_Basin]]:
    """How high so many requests stand at those that they reach, for each unit of throughput."""
    low = [(c.mine + c.others, c.slots * c.speed, c) for c in candidates]
    while True:
        volume, width = drops, 0.0
        for ahead, strength, _ in low:
            volume += ahead
            width += strength
        level = volume / width
        below = [basin for basin in low if basin[0] < level * basin[1]]
        if len(below) == len(low) or not below:
            return level, low
        low = below


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


def policy_for(gateways: int, unseen: float) -> Policy:
    """What one of so many gateways that send to the same workers should use."""
    return shortest_queue if gateways == 1 else partial(waterline, unseen=unseen)


def unseen_by(gateways: int, own_per_s: float, age_s: float) -> float:
    """How many requests the others have sent in `age_s`, if all gateways are asked as often."""
    return (gateways - 1) * own_per_s * age_s


def soon_s(workers: int) -> float:
    """How soon after its last beat a worker may say that its load has changed, if there are so
    many: all together they do not beat more often than `BEATS_PER_S`."""
    return min(HEARTBEAT_S, max(BEAT_SOON_S, workers / BEATS_PER_S))


def age_s(workers: int, silent_s: float) -> float:
    """How old a report can be where the controller spoke last `silent_s` ago. It says something
    every `HEARTBEAT_S`; if it does not, what it has said grows old."""
    return max(soon_s(workers) + LOADS_SOON_S, silent_s - HEARTBEAT_S)


def wait_of(candidate: Candidate) -> float:
    """Requests there, one more counted, for each unit of throughput."""
    ahead = candidate.mine + candidate.others
    return (ahead + 1) / (candidate.slots * candidate.speed)
