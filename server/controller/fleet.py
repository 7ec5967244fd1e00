"""Our own fleet protocol; `server/wire/fleet.py` has its picture."""

from __future__ import annotations

from server.controller.callers import Callers
from server.controller.messages import asking, telling
from server.controller.registry import Registry
from server.core.dispatch import soon_s
from server.core.limits import HEARTBEAT_S
from server.web.asgi import Scope
from server.web.table import Routes
from server.wire.fleet import (
    Beat,
    Close,
    Dismissal,
    Registered,
    Registration,
    Rest,
    Wake,
    WorkerRef,
)

EVENTS = "/fleet/events"


class FleetRoutes:
    def __init__(self, registry: Registry, callers: Callers) -> None:
        self._registry = registry
        self._callers = callers

    def routes(self) -> Routes:
        return {
            ("POST", "/fleet/register"): telling(Registration, self._register),
            ("POST", "/fleet/beat"): telling(Beat, self._beat),
            ("POST", "/fleet/leave"): telling(WorkerRef, self._leave),
            ("POST", "/fleet/drain"): telling(WorkerRef, self._drain),
            ("POST", "/fleet/resume"): telling(WorkerRef, self._resume),
            ("POST", "/fleet/lost"): telling(WorkerRef, self._lost),
            ("POST", "/fleet/dismiss"): telling(Dismissal, self._dismiss),
            ("POST", "/fleet/rest"): telling(Rest, self._rest),
            ("POST", "/fleet/wake"): telling(Wake, self._wake),
            ("POST", "/fleet/close"): telling(Close, self._close),
            ("GET", "/fleet"): asking(lambda: self._registry.view().model_dump(mode="json")),
        }

    async def _register(self, _scope: Scope, new: Registration) -> object:
        self._registry.register(new)
        return self._known(new.address)

    async def _beat(self, _scope: Scope, beat: Beat) -> object:
        if not self._registry.beat(beat):
            return self._answer(known=False)
        return self._known(beat.address)

    def _known(self, address: str) -> object:
        return self._answer(known=True, draining=self._registry.drains(address))

    async def _leave(self, _scope: Scope, worker: WorkerRef) -> object:
        return self._answer(known=self._registry.remove(worker, "worker left"))

    async def _drain(self, _scope: Scope, worker: WorkerRef) -> object:
        return self._answer(known=self._registry.drain(worker))

    async def _resume(self, _scope: Scope, worker: WorkerRef) -> object:
        return self._answer(known=self._registry.resume(worker))

    async def _close(self, _scope: Scope, _: Close) -> object:
        self._callers.closed = True
        return self._answer(known=True)

    async def _lost(self, _scope: Scope, worker: WorkerRef) -> object:
        return self._answer(known=self._registry.remove(worker, "worker process ended"))

    async def _dismiss(self, _scope: Scope, dismissal: Dismissal) -> object:
        self._registry.dismiss(dismissal.name)
        return self._answer(known=True)

    async def _rest(self, _scope: Scope, rest: Rest) -> object:
        self._registry.rest(rest)
        return self._answer(known=True)

    async def _wake(self, _scope: Scope, wake: Wake) -> object:
        return self._answer(known=self._registry.want(wake.model))

    def _answer(self, *, known: bool, draining: bool = False) -> object:
        return Registered(
            known=known,
            beat_s=HEARTBEAT_S,
            soon_s=soon_s(self._registry.count()),
            draining=draining,
        ).model_dump()
