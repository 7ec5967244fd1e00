"""The workers as this gateway knows them, and its own exact count of what it sent to each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from server.clients.origin import Origin
from server.core.dispatch import Candidate, Method, choose
from server.core.errors import (
    BadRequest,
    ModelNotFound,
    NotFound,
    Overloaded,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from server.core.limits import RETRY_AFTER_S
from server.gateway.movable import Movable
from server.gateway.tally import Tally
from server.wire.fleet import Ability, FleetView, WorkerView

NOTHING: frozenset[str] = frozenset()


class Lease:
    """One request counted in flight at one worker, from its making to the end of its block.

    What came of it is counted at the end: served when `answered` was called and nothing went
    wrong, failed when the worker did. A client that leaves is neither.
    """

    __slots__ = (
        "_first_byte_s",
        "_now",
        "_since",
        "ability",
        "model",
        "movable",
        "tried",
        "worker",
    )

    def __init__(self, worker: Worker, model: str, ability: Ability, tried: frozenset[str]) -> None:
        self.worker = worker
        self.model = model
        self.ability = ability
        self.tried = tried | {worker.view.address}
        """Where the request has been, this worker included."""
        self.movable: Movable | None = None
        """Set while the request waits for its first byte and may still go elsewhere."""
        self._now = asyncio.get_running_loop().time
        self._since = self._now()
        self._first_byte_s: float | None = None
        worker.leases[self] = None

    def answered(self) -> None:
        """Its first byte is here."""
        self._first_byte_s = self._now() - self._since

    def fail(self) -> None:
        """The worker did not serve it."""
        self._first_byte_s = None
        self.worker.tally.failed += 1

    def release(self) -> None:
        """It keeps no slot from others, so it is counted no more."""
        self.worker.leases.pop(self, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.release()
        if isinstance(error, UpstreamFailed | UpstreamTimeout):
            self.fail()
        elif error is None and self._first_byte_s is not None:
            self.worker.tally.serve(self._first_byte_s, self._now() - self._since)


@dataclass(slots=True, eq=False)
class Worker:
    view: WorkerView
    origin: Origin
    leases: dict[Lease, None] = field(default_factory=dict)
    """In the order in which they were sent."""
    tally: Tally = field(default_factory=Tally)
    rests_until: float = 0.0
    """After a refused connection: asked again only when nobody else can serve."""

    def as_candidate(self, gateway_id: str) -> Candidate:
        view = self.view
        return Candidate(
            view.address,
            mine=len(self.leases),
            others=self.others(gateway_id),
            speed=view.speed,
            slots=view.slots,
        )

    def others(self, gateway_id: str) -> int:
        """Requests there that are not of this gateway, as last reported."""
        load = self.view.load
        return max(0, load.running + load.waiting - load.by_gateway.get(gateway_id, 0))

    def ahead_of(self, lease: Lease) -> int:
        """How many of this gateway's requests were sent there before `lease`."""
        return next((at for at, other in enumerate(self.leases) if other is lease), 0)

    @property
    def capacity(self) -> int:
        return self.view.slots + self.view.queue


class Fleet:
    """Kept current by `apply`; `take` never waits."""

    def __init__(
        self, gateway_id: str, *, method: Method = "shortest_queue", expected: Iterable[str] = ()
    ) -> None:
        self._id = gateway_id
        self._method = method
        self._workers: dict[str, Worker] = {}
        self._by_model: dict[str, list[Worker]] = {}
        self._expected = frozenset(expected)
        self._known = set(expected)
        self._controller = ""
        self._named: set[str] = set()
        """Addresses that the controller of now has named; one it names no more is gone."""
        self._waiting: dict[str, Lease] = {}
        """Of requests that have an id."""
        self.heard = False
        """Whether a controller has spoken yet."""

    def apply(self, view: FleetView) -> list[Origin]:
        """Take over what the controller says. Returns the origins of workers that are gone."""
        self.heard = True
        said = {worker.address: worker for worker in view.workers}
        if view.controller != self._controller:
            self._controller = view.controller
            self._named.clear()
        gone = [a for a in self._workers if a not in said and (view.settled or a in self._named)]
        self._named |= said.keys()
        for address, worker_view in said.items():
            self._update(address, worker_view)
        left = [self._workers.pop(address) for address in gone]
        self._index()
        for worker in (*left, *self._workers.values()):
            if worker in left or worker.view.state == "suspect":
                self._move_away(worker)
        return [worker.origin for worker in left]

    def _update(self, address: str, view: WorkerView) -> None:
        worker = self._workers.get(address)
        if worker is None:
            self._workers[address] = Worker(view, Origin.parse(address))
            return
        if view.generation != worker.view.generation:
            worker.rests_until = 0.0
        worker.view = view

    def _index(self) -> None:
        self._by_model = {}
        for worker in self._workers.values():
            for model in worker.view.models:
                self._by_model.setdefault(model, []).append(worker)
        self._known |= self._by_model.keys()

    def _move_away(self, worker: Worker) -> None:
        """Free the requests that wait there for a first byte, where another worker can help."""
        for lease in list(worker.leases):
            if lease.movable is not None and self.offers(
                lease.model, lease.ability, but=lease.tried
            ):
                lease.movable.move()

    def take(self, model: str, ability: Ability, *, but: frozenset[str] = NOTHING) -> Lease:
        """Count one request in flight at the least busy worker of `model`.

        The lease is a context manager: leave it exactly once.
        `but`: addresses that have failed already. Raises `ModelNotFound` for a model that nobody
        ever offered, `BadRequest` for one that cannot do this, `Unavailable` when all its
        workers are gone, `Overloaded` when they are full.
        """
        return Lease(self._pick(model, ability, but), model, ability, but)

    def offers(self, model: str, ability: Ability, *, but: frozenset[str]) -> bool:
        """Whether `take` would find somebody."""
        try:
            self._pick(model, ability, but)
        except (BadRequest, ModelNotFound, Overloaded, Unavailable):
            return False
        return True

    def _pick(self, model: str, ability: Ability, but: frozenset[str]) -> Worker:
        workers = self._able(model, ability)
        usable = [w for w in workers if w.view.state == "ready" and w.view.address not in but]
        if not usable:
            raise Unavailable(
                f"No worker for {model!r} is up at the moment; try again shortly.",
                retry_after_s=RETRY_AFTER_S,
            )
        if len(usable) > 1:
            now = asyncio.get_running_loop().time()
            usable = [w for w in usable if w.rests_until <= now] or usable
        candidates = [
            candidate
            for worker in usable
            if (candidate := worker.as_candidate(self._id)).mine + candidate.others
            < worker.capacity
        ]
        chosen = choose(self._method, candidates)
        if chosen is None:
            raise Overloaded(
                f"Every worker for {model!r} is full ({len(usable)} of them); try again shortly.",
                retry_after_s=RETRY_AFTER_S,
            )
        return self._workers[chosen.address]

    def _able(self, model: str, ability: Ability) -> list[Worker]:
        workers = self._by_model.get(model)
        if not workers:
            if model in self._known:
                return []
            raise ModelNotFound(
                f"The model {model!r} does not exist here; GET /v1/models lists those that do.",
                param="model",
            )
        able = [worker for worker in workers if ability in worker.view.abilities]
        if not able:
            raise BadRequest(
                f"The model {model!r} does not serve {ability}.",
                param="model",
                code="unsupported_model",
            )
        return able

    def rest(self, worker: Worker) -> None:
        """Leave a worker alone for a moment that refused a connection."""
        worker.rests_until = asyncio.get_running_loop().time() + RETRY_AFTER_S

    def models(self) -> dict[str, list[WorkerView]]:
        """Every model that can be asked for now, with the workers that serve it."""
        return {
            model: [worker.view for worker in workers]
            for model, workers in sorted(self._by_model.items())
        }

    @contextmanager
    def named(self, request_id: str, lease: Lease) -> Iterator[None]:
        """`position` finds the request in the block."""
        self._waiting[request_id] = lease
        try:
            yield
        finally:
            if self._waiting.get(request_id) is lease:
                del self._waiting[request_id]

    def position(self, request_id: str) -> int:
        """How many must end before a slot is free for it; 0: a worker is on it.

        Exact as far as this gateway's own requests go; those of others are taken to be older.
        Raises `NotFound` for a request that is at no worker.
        """
        lease = self._waiting.get(request_id)
        if lease is None:
            raise NotFound("No request with this id is in flight here.")
        worker = lease.worker
        ahead = worker.ahead_of(lease) + worker.others(self._id)
        return max(0, ahead + 1 - worker.view.slots)

    def stats(self) -> dict[str, dict[str, Any]]:
        """By address: requests in flight, served and failed, and how long the last ones took."""
        return {
            address: {"in_flight": len(worker.leases), **worker.tally.report()}
            for address, worker in self._workers.items()
        }

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
        absent = sorted(self._expected - served)
        return f"no worker for {', '.join(absent)}" if absent else None
