"""The workers as this gateway knows them, and its own exact count of what it sent to each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from server.clients.origin import Origin
from server.core.affinity import affine
from server.core.clock import Clock, SystemClock
from server.core.dispatch import (
    POLICIES,
    Candidate,
    Method,
    Policy,
    age_s,
    policy_for,
    unseen_by,
)
from server.core.limits import FASTCHAT_SUSPECT_S
from server.core.rate import Rate
from server.gateway.customers.whose import NOBODYS, Whose
from server.gateway.known import Known
from server.gateway.nobody import no_such_model, why_none
from server.gateway.worker import NOTHING, Lease, Worker
from server.wire.fleet import Ability, FleetView, GatewayView, Loads, Resting, WorkerView
from server.wire.lanes import Lane


class Fleet:
    """Kept current by `apply`; `take` never waits."""

    def __init__(
        self,
        gateway_id: str,
        *,
        method: Method = "shortest_queue",
        expected: Iterable[str] = (),
        clock: Clock | None = None,
    ) -> None:
        self._id = gateway_id
        self._method = method
        self._now = (clock or SystemClock()).monotonic
        self._heard_at = self._now()
        self._asked: dict[str, Rate] = {}
        """By model, how often this gateway sends to its workers."""
        self.gateways: tuple[GatewayView, ...] = ()
        """All that listen to the controller, this one included."""
        self._workers: dict[str, Worker] = {}
        self._by_model: dict[str, list[Worker]] = {}
        self._contexts: dict[str, int | None] = {}
        self._seldom_told: set[str] = set()
        """Models of which a worker beats so seldom that its reports are always old."""
        self._expected = frozenset(expected)
        self._known = Known(self._expected)
        self._controller = ""
        self._named: set[str] = set()
        """Addresses that the controller of now has named; one it names no more is gone."""
        self._waiting: dict[str, Lease] = {}
        """Of requests that have an id."""
        self.resting: dict[str, Resting] = {}
        """By model, those without a worker that get one when they are asked for."""
        self.heard = False
        """Whether a controller has spoken yet."""

    def apply(self, view: FleetView) -> list[Origin]:
        """Take over what the controller says. Returns the origins of workers that are gone."""
        self.heard = True
        self._heard_at = self._now()
        self.gateways = view.gateways
        said = {worker.address: worker for worker in view.workers}
        if view.controller != self._controller:
            self._controller = view.controller
            self._named.clear()
        gone = [a for a in self._workers if a not in said and (view.settled or a in self._named)]
        self._named |= said.keys()
        for address, worker_view in said.items():
            self._update(address, worker_view)
        if view.settled or view.resting:  # a new controller has to be told of them first
            self.resting = _by_model(view.resting)
        left = [self._workers.pop(address) for address in gone]
        there = [worker.view for worker in self._workers.values()]
        self._known.learn(there, self.resting, view.dismissed)
        self._index()
        for worker in self._workers.values():
            if worker.view.state == "suspect":
                self._move_away(worker)
        # Of those that are gone, who left in good order still ends what it has begun; the requests
        # of one that died end with its connections.
        return [worker.origin for worker in left]

    def hear(self, said: Loads) -> None:
        """Take over how busy workers are."""
        self._heard_at = self._now()
        for address, load in said.loads.items():
            worker = self._workers.get(address)
            if worker is not None:
                worker.update(worker.view.model_copy(update={"load": load}))

    def _update(self, address: str, view: WorkerView) -> None:
        worker = self._workers.get(address)
        if worker is None:
            self._workers[address] = Worker(view, self._id)
        else:
            worker.update(view)

    def _index(self) -> None:
        self._by_model = {}
        for worker in self._workers.values():
            for model in worker.view.models:
                self._by_model.setdefault(model, []).append(worker)
        self._contexts = {
            model: max((w.view.context_of(model) or 0 for w in workers), default=0) or None
            for model, workers in self._by_model.items()
        }
        self._seldom_told = {
            model
            for model, workers in self._by_model.items()
            if any(worker.view.protocol == "fastchat" for worker in workers)
        }

    def _move_away(self, worker: Worker) -> None:
        """Free the requests that wait there, where another worker can help."""
        for lease, whose in list(worker.leases.items()):
            if not (lease.leave or lease.leave_if_quiet):
                continue
            if self.offers(lease.model, lease.ability, "normal", whose, lease.tried):
                if lease.leave_if_quiet is not None:
                    lease.leave_if_quiet()
                else:
                    lease.move()

    def take(
        self,
        model: str,
        ability: Ability,
        request_id: str = "",
        *,
        lane: Lane = "normal",
        but: frozenset[str] = NOTHING,
        affinity: bytes | None = None,
        whose: Whose = NOBODYS,
    ) -> Lease:
        """Count one request in flight at the least busy worker of `model`.

        The lease is a context manager: leave it exactly once; `position` finds it meanwhile.
        `but`: addresses that have failed already. `affinity`: requests with the same one stay
        together. `whose`: who has little at a full worker may be sent there all the same.
        Raises `ModelNotFound` for a model that nobody offers or will again, `BadRequest` for one
        that cannot do this, `Unavailable` when all its workers are gone or rest, `ProviderRefused`
        when they rest because keys are wrong, `Overloaded` when they are full.
        """
        now = self._now()
        workers = self._by_model.get(model, ())
        free = [one for one in workers if one.takes(model, ability, lane, whose, but, now)]
        if not free:
            if not workers and model not in self._known:
                raise no_such_model(model)
            raise why_none(model, ability, workers, but, now)
        candidates: Sequence[Candidate] = ()
        worker = free[0]
        if len(free) > 1:
            candidates = [one.as_candidate() for one in free]
            chosen = self._choose(candidates, self._policy(model), affinity)
            worker = self._workers[chosen.address]
        return Lease(
            worker,
            model,
            ability,
            but,
            request_id,
            self._waiting,
            candidates,
            self._now,
            now,
            whose,
        )

    def is_up(self, model: str, but: frozenset[str]) -> bool:
        """Whether somebody serves it, busy or not."""
        workers = self._by_model.get(model, ())
        return any(w.view.state == "ready" and w.view.address not in but for w in workers)

    def offers(
        self, model: str, ability: Ability, lane: Lane, whose: Whose, but: frozenset[str]
    ) -> bool:
        """Whether `take` would find somebody."""
        now = self._now()
        workers = self._by_model.get(model, ())
        return any(one.takes(model, ability, lane, whose, but, now) for one in workers)

    def _policy(self, model: str) -> Policy:
        """For one request to `model`."""
        if self._method != "shortest_queue":
            return POLICIES[self._method]
        gateways = max(1, len(self.gateways))
        return policy_for(gateways, self._unseen(model, gateways) if gateways > 1 else 0.0)

    def _unseen(self, model: str, gateways: int) -> float:
        """How many requests of the others this gateway cannot have heard of yet."""
        now = self._now()
        asked = self._asked.setdefault(model, Rate())
        own_per_s = asked.per_s(now)
        asked.count(now)
        oldest_s = age_s(len(self._workers), now - self._heard_at)
        if model in self._seldom_told:
            oldest_s = max(oldest_s, FASTCHAT_SUSPECT_S)
        return unseen_by(gateways, own_per_s, oldest_s)

    def _choose(
        self, candidates: Sequence[Candidate], policy: Policy, affinity: bytes | None
    ) -> Candidate:
        if affinity is None:
            chosen = policy(candidates)
        else:
            chosen = affine(candidates, affinity, otherwise=policy)
        assert chosen is not None  # there are some
        return chosen

    def context_length(self, models: Sequence[str]) -> int | None:
        """The longest context that any of `models` has here, None if that is not known of all."""
        if len(models) == 1:
            return self._contexts.get(models[0])
        lengths = [self._contexts.get(model) for model in models]
        known = [length for length in lengths if length is not None]
        return max(known) if known and len(known) == len(lengths) else None

    def models(self) -> dict[str, list[WorkerView]]:
        """Every model that can be asked for now, with the workers that serve it: none, as long as
        it rests."""
        return {
            model: [worker.view for worker in self._by_model.get(model, ())]
            for model in sorted(self._by_model.keys() | self.resting.keys())
        }

    def position(self, request_id: str) -> int | None:
        """How many must end before a slot is free for it; 0: a worker is on it; None: it is at no
        worker, as far as this gateway knows.

        See `Worker.place_of` for how exact that is.
        """
        lease = self._waiting.get(request_id)
        return None if lease is None else lease.worker.place_of(lease)

    def workers(self) -> list[Worker]:
        return list(self._workers.values())

    def in_flight(self) -> dict[str, int]:
        return {address: len(worker.leases) for address, worker in self._workers.items()}

    def missing(self) -> str | None:
        """What keeps this gateway from being ready, in words."""
        if not self.heard:
            return "no word from the controller yet"
        served = {
            model
            for model, workers in self._by_model.items()
            if any(worker.view.state == "ready" for worker in workers)
        }
        well = {name for name, resting in self.resting.items() if not resting.trouble}
        absent = sorted(self._expected - served - well)
        return f"no worker for {', '.join(absent)}" if absent else None


def _by_model(resting: Iterable[Resting]) -> dict[str, Resting]:
    """Of several launchers, the one that loads it already."""
    found: dict[str, Resting] = {}
    for one in resting:
        if one.model not in found or one.state == "loading":
            found[one.model] = one
    return found
