"""One worker as this gateway knows it, and the requests that this gateway has there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

from server.clients.origin import Origin
from server.core.dispatch import Candidate
from server.gateway.breaker import Breaker, State, Trouble
from server.gateway.customers.whose import NOBODYS, Whose
from server.gateway.tally import Tally
from server.wire.fleet import Ability, WorkerView
from server.wire.lanes import Lane

NOTHING: Final[frozenset[str]] = frozenset()
BEYOND: Final = 4
"""Requests that may be sent to a full worker at once, of those for whom others may have to go."""


class Worker:
    """`leases` are the requests in flight there, in the order in which they were sent, and whose
    they are."""

    __slots__ = (
        "_abilities",
        "_breakers",
        "_differ",
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
        self.leases: dict[Lease, Whose] = {}
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
        self._abilities = view.abilities if view.state == "ready" else ()
        """Those that it can be asked for now,"""
        self._differ = bool(view.facts)
        """but not each for every model."""
        self.capacity = view.slots + view.queue
        load = view.load
        ours = load.by_gateway.get(self._gateway_id, 0)
        self.others = max(0, load.running + load.waiting - ours)
        """Requests there that are not of this gateway, as last reported."""

    def breaker_of(self, model: str) -> Breaker:
        """One for each model: that a provider fails at one says nothing of the others."""
        breaker = self._breakers.get(model)
        if breaker is None:
            view = self.view
            about = {"worker": view.label, "address": view.address, "model": model}
            breaker = self._breakers[model] = Breaker(about)
        return breaker

    def breaker_state(self, now: float) -> State:
        """The worst of its models. `now`: as `monotonic` says."""
        states = {breaker.state(now) for breaker in self._breakers.values()}
        return next((s for s in ("open", "half_open") if s in states), "closed")

    def takes(
        self,
        model: str,
        ability: Ability,
        lane: Lane,
        whose: Whose,
        but: frozenset[str],
        now: float,
    ) -> bool:
        """Whether it can be sent a request now that has been at `but`."""
        if ability not in self._abilities:
            return False
        if self._differ and ability not in self.view.abilities_of(model):
            return False
        breaker = self._breakers.get(model)
        if breaker is not None and not breaker.lets(now):
            return False
        if but and self.view.address in but:
            return False
        return len(self.leases) + self.others < self.capacity or not self.full(lane, whose)

    def full(self, lane: Lane, whose: Whose = NOBODYS) -> bool:
        """Whether it would refuse a request of `lane`. What is urgent takes the places of waiting
        batch work, so that does not count against it; and customers that have few places there
        take them from those that have many."""
        there = len(self.leases) + self.others
        if there < self.capacity:
            return False
        if lane != "batch" and there - self.view.load.by_lane.get("batch", 0) < self.capacity:
            return False
        return not whose or there >= self.capacity + BEYOND or not self._favours(whose)

    def _favours(self, whose: Whose) -> bool:
        """Whether others may have to go there for one of his; the worker knows, this is a guess."""
        there = Counter(self.leases.values())
        mine = there.pop(whose, 0)
        return not mine or mine + 1 < max(there.values(), default=0)

    def as_candidate(self) -> Candidate:
        view = self.view
        return Candidate(view.address, len(self.leases), self.others, view.speed, view.slots)

    def place_of(self, lease: Lease) -> int:
        """How many must end before a slot is free for `lease`; 0: the worker is on it.

        Exact while one customer alone waits here. Of several, each has as many turns before it as
        its own customer has, and one more; those that come later can still pass it. What is not
        from this gateway is taken to be older.
        """
        slots = self.view.slots
        sent = list(self.leases)
        older = sent.index(lease) if lease in self.leases else 0
        if lease.has_answered or older + self.others < slots:
            return 0
        whose = self.leases.get(lease, NOBODYS)
        mine = sum(self.leases[one] == whose for one in sent[:older])
        theirs = Counter(self.leases.values())
        del theirs[whose]
        ahead = mine + sum(min(count, mine + 1) for count in theirs.values()) + self.others
        return max(1, ahead + 1 - slots)


class Lease:
    """One request counted in flight at one worker, from its making to the end of its block.

    What came of it is counted: served when `answered` was called and its block ended well, failed
    when `fail` was. A client that leaves is neither.
    """

    __slots__ = (
        "_breaker",
        "_but",
        "_first_byte_s",
        "_now",
        "_probe",
        "_request_id",
        "_waiting",
        "ability",
        "candidates",
        "leave",
        "leave_if_quiet",
        "model",
        "moved",
        "since",
        "worker",
    )

    def __init__(
        self,
        worker: Worker,
        model: str,
        ability: Ability,
        but: frozenset[str],
        request_id: str,
        waiting: dict[str, Lease],
        candidates: Sequence[Candidate],
        clock: Callable[[], float],
        now: float,
        whose: Whose,
    ) -> None:
        """`but`: where the request has been before. `waiting`: the leases of all, by their ids.
        `now`: as the `clock` has just said."""
        self.worker = worker
        self.model = model
        self.ability = ability
        self._but = but
        self.candidates = candidates
        """Those that it was chosen from, as they were; none where there was no choice."""
        self.leave: Callable[[], None] | None = None
        """Set while the request waits for its first byte and may still go elsewhere."""
        self.leave_if_quiet: Callable[[], None] | None = None
        """Set while a stream may go on elsewhere: hangs up if nothing has come for a while."""
        self.moved = False
        self._now = clock
        self.since = now
        """When it was sent there."""
        self._first_byte_s: float | None = None
        self._breaker = breaker = worker.breaker_of(model)
        self._probe = breaker.begin()
        worker.leases[self] = whose
        self._request_id = request_id
        self._waiting = waiting
        waiting[request_id] = self

    @property
    def tried(self) -> frozenset[str]:
        """Where the request has been, this worker included."""
        return self._but | {self.worker.view.address}

    @property
    def has_answered(self) -> bool:
        """Whether its first byte has come."""
        return self._first_byte_s is not None

    def move(self) -> None:
        """Free the request to go elsewhere, if it still may."""
        if self.leave is not None:
            self.moved = True
            self.leave()
            self.leave = None

    def answered(self, now: float) -> None:
        """Its first byte is here."""
        self._first_byte_s = now - self.since
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
        self.worker.leases.pop(self, None)
        if self._waiting.get(self._request_id) is self:
            del self._waiting[self._request_id]
        if error is None and self._first_byte_s is not None:
            self.worker.tally.serve(self._first_byte_s, self._now() - self.since)
        if self._probe:
            self._breaker.give_up()
