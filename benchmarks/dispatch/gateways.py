"""Our gateways: each runs the policy over what it knows, which is what a real one would know."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from benchmarks.dispatch.beats import Beats
from server.core.dispatch import Candidate, Policy
from server.core.limits import HEARTBEAT_S, LOADS_S


class Knowledge:
    """The candidates of one gateway: its own requests exactly, others' as last reported."""

    def __init__(self, addresses: Sequence[str], slots: int) -> None:
        self.mine = [0] * len(addresses)
        self.candidates = [Candidate(address, slots=slots) for address in addresses]

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
    """Workers beat every `HEARTBEAT_S`; gateways are told by the controller every `LOADS_S`.

    `reports=False`: nobody tells them anything.
    """

    def __init__(
        self, gateways: int, workers: int, slots: int, policy: Policy, *, reports: bool = True
    ) -> None:
        addresses = [f"http://worker-{number}:1" for number in range(workers)]
        self._worker_at = {address: number for number, address in enumerate(addresses)}
        self._known = [Knowledge(addresses, slots) for _ in range(gateways)]
        self._policy = policy
        self._in_flight = [0] * workers
        self._beats = Beats(workers, HEARTBEAT_S)
        self._told_at_s = 0.0
        self._said: dict[int, list[int]] = {}
        """By worker, what the controller has heard and not yet told: others, by gateway."""
        self.gateways = gateways
        self.due_s = 0.0 if reports else inf

    def hear(self) -> None:
        if self._beats.due_s <= self._told_at_s:
            worker = self._beats.worker
            total = self._in_flight[worker]
            self._said[worker] = [total - known.mine[worker] for known in self._known]
            self._beats.step()
        else:
            for worker, others in self._said.items():
                for known, count in zip(self._known, others, strict=True):
                    known.hear(worker, count)
            self._said.clear()
            self._told_at_s += LOADS_S
        self.due_s = min(self._beats.due_s, self._told_at_s)

    def send(self, gateway: int) -> int:
        known = self._known[gateway]
        chosen = self._policy(known.candidates)
        assert chosen is not None
        worker = self._worker_at[chosen.address]
        self._in_flight[worker] += 1
        known.count(worker, 1)
        return worker

    def done(self, worker: int, gateway: int) -> None:
        self._in_flight[worker] -= 1
        self._known[gateway].count(worker, -1)
