"""One worker as this gateway knows it, and the requests that this gateway has there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from server.clients.origin import Origin
from server.core.dispatch import Candidate
from server.gateway.breaker import Breaker, State, Trouble
from server.gateway.tally import Tally
from server.wire.fleet import Ability, WorkerView
from server.wire.lanes import Lane


class Worker:
    """`leases` are the requests in flight there, in the order in which they were sent."""

    __slots__ = (
        "_breakers",
        "_gateway_id",
        "capacity",
        "leases",
        "origin",
        "others",
        "tally",
        "view",
    )

    def __init__(self, view: WorkerView, gateway_id: str) -> None:
        self._gateway_id = gateway_id
        self.origin = Origin.parse(view.address)
        self.leases: dict[Lease, None] = {}
        self.tally = Tally()
        self._breakers: dict[str, Breaker] = {}
        self._take_over(view)

    def update(self, view: WorkerView) -> None:
        """A new generation is a new process: what the old one did is forgotten."""
        if view.generation != self.view.generation:
            self._breakers.clear()
        self._take_over(view)

    def _take_over(self, view: WorkerView) -> None:
        self.view = view
        self.capacity = view.slots + view.queue
        load = view.load
        ours = load.by_gateway.get(self._gateway_id, 0)
        self.others = max(0, load.running + load.waiting - ours)
        """Requests there that are not of this gateway, as last reported."""

    def breaker_of(self, model: str) -> Breaker:
        """One for each model: that a provider fails at one says nothing of the others."""
        breaker = self._breakers.get(model)
        if breaker is None:
            breaker = self._breakers[model] = Breaker()
        return breaker

    @property
    def breaker_state(self) -> State:
        """The worst of its models."""
        states = {breaker.state for breaker in self._breakers.values()}
        return next((s for s in ("open", "half_open") if s in states), "closed")

    def full(self, lane: Lane) -> bool:
        """Whether it would refuse a request of `lane`. What is urgent takes the places of waiting
        batch work, so that does not count against it."""
        there = len(self.leases) + self.others
        if there < self.capacity:
            return False
        return lane == "batch" or there - self.view.load.by_lane.get("batch", 0) >= self.capacity

    def as_candidate(self) -> Candidate:
        view = self.view
        return Candidate(view.address, len(self.leases), self.others, view.speed, view.slots)

    def ahead_of(self, lease: Lease) -> int:
        """How many of this gateway's requests were sent there before `lease`."""
        return next((at for at, other in enumerate(self.leases) if other is lease), 0)


class Lease:
    """One request counted in flight at one worker, from its making to the end of its block.

    What came of it is counted: served when `answered` was called and its block ended well, failed
    when `fail` was. A client that leaves is neither.
    """

    __slots__ = (
        "_breaker",
        "_first_byte_s",
        "_now",
        "_probe",
        "_request_id",
        "_since",
        "_waiting",
        "ability",
        "candidates",
        "leave",
        "leave_if_quiet",
        "model",
        "moved",
        "tried",
        "worker",
    )

    def __init__(
        self,
        worker: Worker,
        model: str,
        ability: Ability,
        tried: frozenset[str],
        request_id: str,
        waiting: dict[str, Lease],
        candidates: Sequence[Candidate],
    ) -> None:
        """`waiting`: the leases of all requests, by their ids."""
        self.worker = worker
        self.model = model
        self.ability = ability
        self.tried = tried | {worker.view.address}
        """Where the request has been, this worker included."""
        self.candidates = candidates
        """Those that it was chosen from, as they were; none where there was no choice."""
        self.leave: Callable[[], None] | None = None
        """Set while the request waits for its first byte and may still go elsewhere."""
        self.leave_if_quiet: Callable[[], None] | None = None
        """Set while a stream may go on elsewhere: hangs up if nothing has come for a while."""
        self.moved = False
        self._now = asyncio.get_running_loop().time
        self._since = self._now()
        self._first_byte_s: float | None = None
        self._breaker = worker.breaker_of(model)
        self._probe = self._breaker.begin()
        worker.leases[self] = None
        self._request_id = request_id
        self._waiting = waiting
        waiting[request_id] = self

    def move(self) -> None:
        """Free the request to go elsewhere, if it still may."""
        if self.leave is not None:
            self.moved = True
            self.leave()
            self.leave = None

    def answered(self) -> None:
        """Its first byte is here."""
        self._first_byte_s = self._now() - self._since
        self._breaker.succeed(probe=self._probe)
        self._probe = False

    def fail(self, trouble: Trouble | None) -> None:
        """The worker did not serve it; None: but is in no trouble."""
        self._first_byte_s = None
        self.worker.tally.failed += 1
        if trouble is None:
            self._breaker.succeed(probe=self._probe)
        else:
            self._breaker.fail(trouble, self._now(), probe=self._probe)
        self._probe = False

    def release(self) -> None:
        """It keeps no slot from others, so it is counted no more."""
        self.worker.leases.pop(self, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
        if self._waiting.get(self._request_id) is self:
            del self._waiting[self._request_id]
        if error is None and self._first_byte_s is not None:
            self.worker.tally.serve(self._first_byte_s, self._now() - self._since)
        if self._probe:
            self._breaker.give_up()
