"""Local models that come and go: unloaded when nobody asks, loaded when somebody does.

It decides before each start of a model whether there is room, has the least recently used one
leave if there is not, and tells the controller which models it loads when they are asked for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from server.clients.fleet import SILENCE_S, ControllerClient
from server.core.clock import Clock
from server.core.errors import TransportError
from server.core.ids import new_id
from server.core.limits import HEARTBEAT_S, WAKE_RETRY_S, WAKE_S, WHOLE_REQUEST_S
from server.core.memory.refusal import place, refusal, shortage
from server.core.settings import ModelSettings
from server.launcher.room.reckoner import Claim, Held, Reckoner
from server.launcher.room.resting import Trouble, resting_of
from server.launcher.room.tenants import Tenant, make_room
from server.launcher.room.uses import Uses
from server.launcher.running.keeper import Keeper
from server.launcher.running.routing import Router
from server.launcher.running.surroundings import GO, Verdict
from server.wire.fleet import FleetView, Rest, Resting

log = logging.getLogger(__name__)

LOOK_S: Final = 0.25
SETTLE_S: Final = 0.3
"""For the gateways to hear that a worker gets nothing new, before it is told to end."""


class Housekeeper:
    def __init__(
        self,
        keepers: Sequence[Keeper],
        reckoner: Reckoner,
        router: Router,
        clock: Clock,
        note: Callable[[str], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._keepers = keepers
        self._reckoner = reckoner
        self._router = router
        self._clock = clock
        self._note = note
        self._stopping = stopping
        self._id = new_id("lch")
        self._uses = Uses()
        self._held: dict[Keeper, Claim] = {}
        """What was granted to those that run, or are about to."""
        self._reckoning = asyncio.Lock()
        self._deciding = asyncio.Lock()
        self._troubles: dict[str, Trouble] = {}
        """By model, why it could not be loaded."""
        self._shapes: dict[str, Resting] = {}
        """By model, what it can do, as its worker said."""
        self._heard_at: float | None = None
        self._wanted: tuple[str, ...] = ()
        """Models that somebody waits for."""
        self._told: tuple[tuple[Resting, ...], float] = ((), 0.0)
        self._telling = asyncio.Lock()
        self._controller: ControllerClient | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    async def run(self, controller: ControllerClient) -> None:
        """For ever."""
        self._controller = controller
        try:
            while True:
                if not self._stopping():
                    self._settle_wakes()
                    self._wake_wanted()  # who was about to end when he was asked for has ended
                    self._unload_idle()
                    await self.tell()
                await asyncio.sleep(LOOK_S)
        finally:
            for task in self._leaving:
                task.cancel()
            await controller.aclose()

    def learn(self, view: FleetView) -> None:
        """The controller has spoken, and the keepers have heard it."""
        now = self._heard_at = self._clock.monotonic()
        listed = {worker.address: worker for worker in view.workers}
        for keeper, model in self._models():
            worker = listed.get(keeper.state.address or "")
            if worker is None:
                continue
            self._uses.see(keeper.plan.name, worker, now)
            self._shapes[model.name] = Resting(
                model=model.name,
                abilities=worker.abilities,
                context_length=worker.context_length,
            )
            if worker.state == "ready" and keeper.waking and not keeper.retiring:
                keeper.waking = False
                self._troubles.pop(model.name, None)
        self._wanted = view.wanted
        self._wake_wanted()

    def _wake_wanted(self) -> None:
        for name in self._wanted:
            self._wake(name)

    def _wake(self, name: str) -> None:
        """`name`: of a model, or of an adapter that comes with it."""
        now = self._clock.monotonic()
        for keeper, model in self._models():
            trouble = self._troubles.get(model.name)
            if self._stopping() or name not in model.names or (trouble and now < trouble.until):
                continue
            stuck = trouble is not None and keeper.state.status == "quarantined"
            if keeper.held or not (keeper.dozes or stuck):
                continue
            if keeper.has_ended and not keeper.retiring:  # else it is being seen to
                self._note(f"{keeper.plan.name} is loaded: somebody asks for it.")
                keeper.waking = True
                keeper.start()
        for woken in {model.name for keeper, model in self._models() if keeper.waking}:
            self._troubles.pop(woken, None)

    def _settle_wakes(self) -> None:
        """Those that came to nothing."""
        for keeper, model in self._models():
            over = keeper.state.status == "quarantined" or keeper.held
            if over and keeper.waking and not keeper.retiring:
                keeper.waking = False
                if not keeper.held:
                    self._trouble(model.name, keeper.state.detail)

    def _trouble(self, model: str, why: str) -> None:
        self._troubles[model] = Trouble(why, self._clock.monotonic() + WAKE_RETRY_S)

    def _unload_idle(self) -> None:
        """All replicas of a model together, so that what is left of it is never overrun."""
        now = self._clock.monotonic()
        if self._heard_at is None or now - self._heard_at > SILENCE_S:
            return  # who hears nothing does not know who is idle
        for name in {model.name for _, model in self._models()}:
            mine = [(k, m) for k, m in self._models() if m.name == name and is_up(k)]
            ttl_s = mine[0][1].idle_unload_s if mine else None
            if ttl_s is None or any(k.retiring for k, _ in mine):
                continue
            if all(self._uses.idle_s(k.plan.name, now) >= ttl_s for k, _ in mine):
                for keeper, _ in mine:
                    keeper.retiring = True
                    task = asyncio.create_task(self.unload(keeper, f"idle for {ttl_s:g} s"))
                    self._leaving.add(task)
                    task.add_done_callback(self._leaving.discard)

    async def unload(self, keeper: Keeper, why: str) -> None:
        """Ends its process once what runs there has ended; a request starts it again."""
        async with keeper.wishes:
            if keeper.held or not is_up(keeper):
                keeper.retiring = False
                return
            keeper.retiring = True
            try:
                await self.tell()
                await self._router.set_aside(keeper)
                await asyncio.sleep(SETTLE_S)
                self._note(f"{keeper.plan.name} is unloaded: {why}.")
                await keeper.doze(why, WHOLE_REQUEST_S)
            finally:
                keeper.retiring = False

    async def tell(self) -> None:
        """The controller hears which models are loaded on request: news at once, and with each
        heartbeat all of it."""
        async with self._telling:  # or what is older might come later
            resting = tuple(self._resting())
            before, told_at = self._told
            now = self._clock.monotonic()
            if self._controller is None or not (resting or before):
                return
            if resting == before and now - told_at < HEARTBEAT_S:
                return
            with suppress(TransportError):  # the client logs it
                await self._controller.rest(Rest(launcher=self._id, models=resting))
                self._told = (resting, now)

    def _resting(self) -> Iterator[Resting]:
        now = self._clock.monotonic()
        by_model: dict[str, list[Keeper]] = {}
        settings = {}
        for keeper, model in self._models():
            by_model.setdefault(model.name, []).append(keeper)
            settings[model.name] = model
        for name, keepers in by_model.items():
            shape = self._shapes.get(name)
            trouble = self._troubles.get(name)
            resting = resting_of(settings[name], keepers, shape, trouble, now)
            if resting is not None:
                for alias in settings[name].names:
                    yield resting.model_copy(update={"model": alias})

    async def admit(self, keeper: Keeper) -> Verdict:
        """Whether there is room for it; asked before each of its starts."""
        model = keeper.plan.model
        if model is None:
            return GO
        try:
            async with self._reckoning:  # who comes first is the first to be decided about
                claim = await asyncio.to_thread(self._reckoner.claim, model)
            return GO if claim is None else await self._granted(keeper, model, claim)
        except Exception:  # files of strangers fail in strange ways; its own worker looks once more
            log.exception("cannot reckon with memory", extra={"child": keeper.plan.name})
            return GO

    async def _granted(self, keeper: Keeper, model: ModelSettings, claim: Claim) -> Verdict:
        end = self._clock.monotonic() + WAKE_S
        while True:
            async with self._deciding:
                verdict, leaving = await self._decide(keeper, model, claim)
            if verdict is not None:
                if verdict.why and keeper.waking:
                    keeper.waking = False
                    self._trouble(model.name, verdict.why)
                return verdict
            for other in leaving:
                await self.unload(other, f"room is needed for {model.name!r}")
            if not keeper.wanted or self._clock.monotonic() >= end:
                return Verdict("there is no room, and those that have it are busy", later=True)
            await asyncio.sleep(0 if leaving else LOOK_S)

    async def _decide(
        self, keeper: Keeper, model: ModelSettings, claim: Claim
    ) -> tuple[Verdict | None, list[Keeper]]:
        """A verdict, or none yet: once those of the list have left, or some are idle."""
        others = {k: c for k, c in self._held.items() if k is not keeper}
        held = [Held(c, k.state.pid, k.state.status == "ready") for k, c in others.items()]
        room = await asyncio.to_thread(self._reckoner.room, model, claim, held)
        rivals = {k.plan.name: (k, c) for k, c in others.items() if c.meets(claim)}
        tenants = [self._tenant(k, c) for k, c in rivals.values()]
        decision = make_room(claim.need.total - room.free, tenants)
        about = (model.name, claim.need, max(0, room.free), place(claim.device))
        if decision.hopeless:
            return Verdict(refusal(*about), later=keeper.waking), []
        if not decision.leave and not decision.wait:
            self._held[keeper] = claim
            return GO, []
        if not keeper.first.done():  # those that came first at a start stay until somebody asks
            words = f"it is loaded when it is asked for: {shortage(*about)}"
            return Verdict(words, later=True), []
        return None, [rivals[name][0] for name in decision.leave]

    def _tenant(self, keeper: Keeper, claim: Claim) -> Tenant:
        name = keeper.plan.name
        model = keeper.plan.model
        idle = is_up(keeper) and not keeper.retiring and self._uses.is_idle(name)
        pinned = model is not None and model.pinned
        return Tenant(name, claim.need.total, self._uses.last(name), idle, pinned)

    def release(self, keeper: Keeper) -> None:
        """Its process has ended."""
        self._held.pop(keeper, None)

    def _models(self) -> Iterator[tuple[Keeper, ModelSettings]]:
        for keeper in self._keepers:
            model = keeper.plan.model
            if model is not None:
                yield keeper, model


def is_up(keeper: Keeper) -> bool:
    return keeper.state.status == "ready"
