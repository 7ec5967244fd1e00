"""Our gateways: each runs the policy over what it knows, which is what a real one would know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Literal

from benchmarks.dispatch.beats import HOP_S, Beating, Beats, Silence, SoonBeats
from server.core.dispatch import Candidate, Policy, age_s, unseen_by
from server.core.limits import HEARTBEAT_S, LOADS_S, LOADS_SOON_S
from server.core.rate import Rate

Reports = Literal["soon", "clock", "none"]
"""`soon`: workers beat and gateways are told when something has changed, as they do. `clock`: every
`HEARTBEAT_S` and every `LOADS_S`, and gateways know that. `none`: never."""

Choice = Callable[[float], Policy]
"""The policy, if so many requests of others are probably there that nobody has told of yet."""


class Knowledge:
    """The candidates of one gateway: its own requests exactly, others' as last reported."""

    def __init__(self, addresses: Sequence[str], slots: int) -> None:
        self.mine = [0] * len(addresses)
        self.candidates = [Candidate(address, slots=slots) for address in addresses]
        self.asked = Rate()

    def count(self, worker: int, change: int) -> None:
        self.mine[worker] += change
        self._update(worker, self.candidates[worker].others)

    def hear(self, worker: int, others: int) -> None:
        if others != self.candidates[worker].others:
            self._update(worker, others)

    def _update(self, worker: int, others: int) -> None:
        old = self.candidates[worker]
        new = Candidate(old.address, self.mine[worker], others, old.speed, old.slots)
        self.candidates[worker] = new


class Gateways:
    """Workers beat, and the controller tells all gateways what it has heard since it last did."""

    def __init__(
        self, gateways: int, workers: int, slots: int, choice: Choice, *, reports: Reports = "soon"
    ) -> None:
        addresses = [f"http://worker-{number}:1" for number in range(workers)]
        self._worker_at = {address: number for number, address in enumerate(addresses)}
        self._known = [Knowledge(addresses, slots) for _ in range(gateways)]
        self._choice = choice
        self._in_flight = [0] * workers
        self._beats = _beats(reports, workers)
        by_clock = reports == "clock"
        self._age_s = HEARTBEAT_S + LOADS_S if by_clock else age_s(workers, silent_s=0.0)
        self._pace_s = LOADS_S if by_clock else LOADS_SOON_S
        self._told_s = -inf
        self._tell_s = inf
        """When the controller tells what it has heard; `inf`: it has heard nothing new."""
        self._said: dict[int, list[int]] = {}
        """By worker, what the controller has heard and not yet told: others, by gateway."""
        self.beats = 0
        self.gateways = gateways
        self.due_s = self._beats.due_s

    def hear(self) -> None:
        now = self.due_s
        if self._beats.due_s <= self._tell_s:
            self._hear_beat(now)
        else:
            self._tell(now)
        self._look()

    def _hear_beat(self, now: float) -> None:
        worker = self._beats.worker
        total = self._in_flight[worker]
        self._said[worker] = [total - known.mine[worker] for known in self._known]
        self._beats.step()
        self.beats += 1
        if self._tell_s == inf:
            self._tell_s = max(now + HOP_S, self._told_s + self._pace_s)

    def _tell(self, now: float) -> None:
        for worker, others in self._said.items():
            for known, count in zip(self._known, others, strict=True):
                known.hear(worker, count)
        self._said.clear()
        self._told_s, self._tell_s = now, inf

    def _look(self) -> None:
        self.due_s = min(self._beats.due_s, self._tell_s)

    def send(self, gateway: int, now: float) -> int:
        known = self._known[gateway]
        own_per_s = known.asked.per_s(now)
        known.asked.count(now)
        unseen = unseen_by(self.gateways, own_per_s, self._age_s)
        chosen = self._choice(unseen)(known.candidates)
        assert chosen is not None
        worker = self._worker_at[chosen.address]
        self._in_flight[worker] += 1
        known.count(worker, 1)
        self._change(worker, now)
        return worker

    def done(self, worker: int, gateway: int, now: float) -> None:
        self._in_flight[worker] -= 1
        self._known[gateway].count(worker, -1)
        self._change(worker, now)

    def _change(self, worker: int, now: float) -> None:
        self._beats.change(worker, now)
        self._look()


def _beats(reports: Reports, workers: int) -> Beating:
    if reports == "soon":
        return SoonBeats(workers)
    return Beats(workers, HEARTBEAT_S) if reports == "clock" else Silence()
