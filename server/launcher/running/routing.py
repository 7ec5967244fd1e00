"""What the controller says of our workers; and what operators told it of them, remembered.

A worker is drained at the controller, by whoever has the fleet's secret. We see it there, and see
to it that it stays so: through the worker's death, the controller's, and our own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from pydantic import SecretStr

from server.clients.fleet import SILENCE_S, ControllerClient
from server.core.clock import Clock
from server.core.errors import TransportError
from server.launcher.running.desired import Desired
from server.launcher.running.keeper import Keeper
from server.launcher.setup.plan import WORKERS
from server.wire.fleet import FleetView, WorkerRef, WorkerView
from server.wire.launcher import Routing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    controller: str
    generation: str
    drains: bool

    def continues(self, before: Seen | None) -> bool:
        """Nobody forgot anything in between: what has changed was changed by an operator."""
        if before is None:
            return False
        return (self.controller, self.generation) == (before.controller, before.generation)


class Router:
    def __init__(
        self,
        keepers: Sequence[Keeper],
        desired: Desired,
        secret: SecretStr,
        clock: Clock,
        note: Callable[[str], None],
        heard: Callable[[FleetView], None] = lambda view: None,
    ) -> None:
        """`heard`: told of each view, once the keepers know of it."""
        self._heard = heard
        self._keepers = keepers
        self._passing: list[Keeper] = []
        """Those that are to take the place of others."""
        self._desired = desired
        self._secret = secret
        self._clock = clock
        self._note = note
        self._controller: ControllerClient | None = None
        self._heard_at = clock.monotonic()
        self._seen: dict[str, Seen] = {}
        self._orders: set[asyncio.Task[None]] = set()

    @property
    def _workers(self) -> list[Keeper]:
        """Some may come and go."""
        keepers = (*self._keepers, *self._passing)
        return [keeper for keeper in keepers if keeper.plan.role in WORKERS]

    async def follow(self, url: str) -> None:
        """For ever."""
        self._controller = controller = ControllerClient(url, self._secret)
        try:
            async with aclosing(controller.watch()) as views:
                async for view in views:
                    self.learn(view)
        finally:
            for order in self._orders:
                order.cancel()
            await controller.aclose()

    def learn(self, view: FleetView) -> None:
        self._heard_at = self._clock.monotonic()
        listed = {worker.address: worker for worker in view.workers}
        for keeper in self._workers:
            worker = listed.get(keeper.state.address or "")
            keeper.routed(_routing(keeper, worker, settled=view.settled))
            if worker is not None:
                self._compare(keeper, worker, view.controller)
        self._heard(view)

    def add(self, keeper: Keeper) -> None:
        """It is to take the place of another one, and does not count yet."""
        self._passing.append(keeper)

    def remove(self, keeper: Keeper) -> None:
        """It counts now, or never will."""
        self._passing.remove(keeper)

    def doubt(self) -> None:
        """A controller that is silent says nothing of anybody. Call it now and then."""
        if self._clock.monotonic() - self._heard_at > SILENCE_S:
            for keeper in self._workers:
                keeper.routed("")

    def drain(self, keeper: Keeper, drains: bool) -> None:
        """An operator wants it, and has told us instead of the controller."""
        keeper.plan = keeper.plan.draining(drains)
        if keeper.state.address is not None:
            self._order(keeper, WorkerRef(address=keeper.state.address), drains)

    async def set_aside(self, keeper: Keeper) -> None:
        """It is about to end, by our own doing: nothing new is sent there."""
        if keeper.state.address is not None:
            await self._tell(keeper, WorkerRef(address=keeper.state.address), drains=True)

    def _compare(self, keeper: Keeper, worker: WorkerView, controller: str) -> None:
        if keeper.retiring:
            return
        name = keeper.plan.name
        seen = Seen(controller, worker.generation, worker.state == "draining")
        before = self._seen.get(name)
        self._seen[name] = seen
        wish = self._desired.of(name)
        if wish == "stop" or seen.drains == (wish == "drain"):
            return
        if not seen.continues(before):
            self._order(keeper, worker, wish == "drain")
        elif before is not None and before.drains != seen.drains:
            self._desired.remember(name, "drain" if seen.drains else "serve")
            keeper.plan = keeper.plan.draining(seen.drains)
            what = "drained" if seen.drains else "put to work again"
            self._note(f"An operator has {what} {name}.")

    def _order(self, keeper: Keeper, worker: WorkerRef, drains: bool) -> None:
        order = asyncio.create_task(self._tell(keeper, worker, drains))
        self._orders.add(order)
        order.add_done_callback(self._orders.discard)

    async def _tell(self, keeper: Keeper, worker: WorkerRef, drains: bool) -> None:
        if self._controller is None:
            return
        ref = WorkerRef(address=worker.address, generation=worker.generation)
        try:
            await (self._controller.drain if drains else self._controller.resume)(ref)
        except TransportError:  # the client logs it; the next view brings us here again
            self._seen.pop(keeper.plan.name, None)


def _routing(keeper: Keeper, worker: WorkerView | None, *, settled: bool) -> Routing:
    if keeper.state.status != "ready" or keeper.state.missing:
        return ""
    if worker is not None:
        return worker.state
    return "absent" if settled else ""
