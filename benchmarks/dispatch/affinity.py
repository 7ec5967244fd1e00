"""What it costs to keep a key at its own worker, and how often that succeeds."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Final, Literal

from benchmarks.dispatch.gateways import Choice, Gateways
from benchmarks.dispatch.measure import Case, Figures, requests_of, summarise
from benchmarks.dispatch.simulation import Simulation
from server.core.affinity import affine
from server.core.dispatch import Candidate, Policy, policy_for

Keys = Literal["sessions", "prefixes"]
"""Sessions all ask equally often; of prefixes the n-th 1/n as often as the first (Zipf's law)."""
Rule = Literal["none", "bounded", "always"]
"""`none`: keys are not looked at. `always`: a key never leaves its own worker."""

SESSIONS: Final = 10_000
PREFIXES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Ask:
    case: Case
    gateways: int
    keys: Keys
    rule: Rule


@dataclass(frozen=True, slots=True)
class Kept:
    ask: Ask
    at_home: float
    """The share of requests that went to the worker which comes first for their key."""
    figures: Figures


class Keyed:
    """Draws the key of each request itself."""

    def __init__(self, keys: Keys, rule: Rule, otherwise: Choice) -> None:
        often = [1.0] * SESSIONS if keys == "sessions" else [1 / n for n in range(1, PREFIXES + 1)]
        self._sums = list(accumulate(often))
        self._rule = rule
        self._otherwise = otherwise
        self._homes: dict[bytes, int] = {}
        self.sent = 0
        self.at_home = 0

    def policy(self, unseen: float) -> Policy:
        return partial(self._choose, self._otherwise(unseen))

    def _choose(self, otherwise: Policy, candidates: Sequence[Candidate]) -> Candidate | None:
        key = b"key %d" % bisect(self._sums, random.random() * self._sums[-1])
        if key not in self._homes:
            self._homes[key] = self._home(candidates, key)
        home = candidates[self._homes[key]]
        chosen: Candidate | None = home
        if self._rule == "none":
            chosen = otherwise(candidates)
        elif self._rule == "bounded":
            chosen = affine(candidates, key, otherwise=otherwise)
        self.sent += 1
        self.at_home += chosen is home
        return chosen

    def _home(self, candidates: Sequence[Candidate], key: bytes) -> int:
        """Where the key goes when nobody is busy."""
        idle = [candidate._replace(mine=0, others=0) for candidate in candidates]
        first = affine(idle, key)
        assert first is not None
        return idle.index(first)


def measure_kept(ask: Ask) -> Kept:
    case = ask.case
    random.seed(case.seed)
    keyed = Keyed(ask.keys, ask.rule, partial(policy_for, ask.gateways))
    gateways = Gateways(ask.gateways, case.workers, case.slots, keyed.policy)
    served = Simulation(case.workers, case.slots, gateways).run(requests_of(case))
    return Kept(ask, keyed.at_home / keyed.sent, summarise(served))
