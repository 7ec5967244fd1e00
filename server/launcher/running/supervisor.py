"""Starts the children in order, keeps them, and stops them in order.

    controller > gateway and workers > app server, once the gateway is up; models may still load

They stop the other way round, each stage when the one before has finished its requests.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from server.clients.fleet import ControllerClient
from server.clients.joined import JoinedFile
from server.core.clock import Clock
from server.core.errors import StartError
from server.core.limits import WHOLE_REQUEST_S
from server.core.memory.sizes import bytes_of
from server.launcher.room.housekeeper import Housekeeper
from server.launcher.room.reckoner import Reckoner
from server.launcher.room.swap import Swapper
from server.launcher.running.crew import Crew
from server.launcher.running.desired import Desired
from server.launcher.running.failure import hopeless, why
from server.launcher.running.guests import Guests, House
from server.launcher.running.inbox import LOOK_S, forget_wishes, take_wishes
from server.launcher.running.keeper import Keeper
from server.launcher.running.logs import bound, rotate
from server.launcher.running.lost import LossReporter
from server.launcher.running.orphans import Orphans
from server.launcher.running.readiness import until_ready
from server.launcher.running.routing import Router
from server.launcher.running.surroundings import Surroundings
from server.launcher.running.swapped import Swapped
from server.launcher.running.wishes import Wishes, may_ask, worker_meant
from server.launcher.screen.view import View
from server.launcher.setup.home import Home
from server.launcher.setup.plan import WORKERS, ChildPlan, Role
from server.launcher.setup.prepare import Prepared
from server.wire.launcher import ChildState
from server.wire.process import Request, Wish

log = logging.getLogger(__name__)

STOP_ORDER: tuple[tuple[Role, ...], ...] = (("api",), ("openai_api",), WORKERS, ("controller",))
"""Each finishes its requests while those that it asks still serve."""
FAREWELL_S = 3.0
"""Beyond the drain, for closing connections."""
ASKED_FIRST = "it is loaded when it is asked for"
TIDY_S = 10.0
"""How often the logs are looked at, and dead orphans."""


class Supervisor:
    def __init__(
        self,
        prepared: Prepared,
        home: Home,
        view: View,
        *,
        cwd: Path,
        clock: Clock,
        changed: Callable[[Sequence[ChildState]], None] = lambda children: None,
    ) -> None:
        self._drain_s = prepared.launcher.drain_s
        self._view = view
        self._changed = changed
        self._asked = asyncio.Event()
        self._forced = False
        self._lost = LossReporter(prepared)
        around = Surroundings(
            prepared.environ,
            cwd,
            clock,
            self._publish,
            self._note,
            self._report_loss,
            self._hear_wish,
            lambda keeper: self._care.admit(keeper),
            lambda keeper: self._care.release(keeper),
        )
        self.desired = Desired(home.desired_file)
        self._swapped = Swapped(home.swapped_file)
        self._crew = crew = Crew(
            lambda plan: Keeper(plan, home.log_of(plan.name), around),
            lambda task: self._tasks.create_task(task),
            self._publish,
        )
        self._guests = Guests(JoinedFile(home.joined_file), prepared.guest, self.desired)
        self._keeper_of = partial(self._keeper, home=home, around=around)
        plans = (*prepared.children, *self._guests.plans(self._note))
        self._outdated = self._swapped.forget_outdated(plans)
        crew.keepers += [self._keeper_of(plan) for plan in plans]
        self.keepers, self._begun = crew.keepers, crew.begun
        self._inbox = home.wishes
        self._own_log = home.log_of("launcher")
        self._router = Router(
            self.keepers,
            self.desired,
            prepared.secret,
            clock,
            self._note,
            lambda view: self._care.learn(view),
        )
        most = prepared.launcher.model_memory
        reckoner = Reckoner(prepared.environ, bytes_of(most) if most else None)
        self._care = Housekeeper(
            self.keepers, reckoner, self._router, clock, self._note, self._asked.is_set
        )
        self._secret = prepared.secret
        self._for_all_s = max(self._drain_s, WHOLE_REQUEST_S) + FAREWELL_S
        swapper = Swapper(crew, self._care, self._router, self._note)
        self._wishes = Wishes(
            self.desired, self._router, self._note, self._for_all_s, swapper.swap, self._swapped
        )
        self._house = House(self.keepers, self._take_in, self._dismiss, self._note)
        self._met = asyncio.Event()
        """It is known which controller workers join."""
        self._chores: list[asyncio.Task[None]] = []
        self._excused: list[Keeper] = []
        """They did not start, and it was said why."""
        self._publish()

    def _keeper(self, plan: ChildPlan, home: Home, around: Surroundings) -> Keeper:
        """As an operator wanted it when it last ran."""
        wish = self.desired.of(plan.name) if plan.role in WORKERS else "serve"
        plan = self._swapped.applied(plan.draining(wish == "drain"))
        dozes = ASKED_FIRST if plan.model and plan.model.load_at == "request" else ""
        return Keeper(plan, home.log_of(plan.name), around, held=wish == "stop", dozes=dozes)

    async def run(self, on_ready: Callable[[], None]) -> int:
        """Start, serve until asked to stop, stop. Returns the exit code.

        `on_ready` is called once, when each child has started or failed for the first time.
        """
        for keeper in self.keepers:
            rotate(keeper.log)
        forget_wishes(self._inbox)
        unreadable = (self.desired.unreadable, self._guests.unreadable, self._swapped.unreadable)
        for words in filter(None, (*unreadable, *self._outdated)):
            self._note(words)
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for chore in (self._tidy(), self._listen()):
                    self._chores.append(self._tasks.create_task(chore))
                code = await self._serve(on_ready)
                self._met.set()  # nobody waits for it any more
                for task in self._chores:
                    task.cancel()
            await self._lost.aclose()
            forget_wishes(self._inbox)
            return code
        finally:  # whatever went wrong in here, nothing is left behind
            for keeper in self._begun:
                keeper.kill()
            self._view.settle()

    def ask_to_stop(self) -> None:
        """Drain and stop; asked a second time: end everything now."""
        if self._asked.is_set():
            self._forced = True
            self._view.say("Ending everything now.")
            for keeper in self._begun:
                keeper.kill()
        self._asked.set()

    async def _serve(self, on_ready: Callable[[], None]) -> int:
        try:
            if await self._start_unless_stopped():
                self._view.settle()
                on_ready()
                await self._asked.wait()
        except StartError as error:
            self._asked.set()
            self._view.settle()
            self._note(str(error))
            await self._stop([("api", *WORKERS, "openai_api", "controller")], limit_s=FAREWELL_S)
            return 1
        self._view.settle()
        self._view.say("Stopping; Ctrl-C again ends everything at once.")
        await self._stop(STOP_ORDER, self._drain_s + FAREWELL_S)
        self._view.say("Stopped.")
        return 1 if self._forced else 0

    async def _start_unless_stopped(self) -> bool:
        """Raises `StartError`."""
        starting = asyncio.create_task(self._start())
        asked = asyncio.create_task(self._asked.wait())
        try:
            await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not self._asked.is_set():
                starting.result()
            return not self._asked.is_set()
        finally:
            asked.cancel()
            starting.cancel()

    async def _start(self) -> None:
        """The controller, then everything else. Raises `StartError`."""
        servers = [k for k in self.keepers if k.plan.role == "controller"]
        for controller in servers:
            if not await self._begin(controller):
                raise StartError(why(controller))
            self._lost.url = controller.state.address or ""
            for keeper in self.keepers:
                keeper.plan = keeper.plan.joining(self._lost.url)
        self._met.set()
        if self._lost.url:
            client = ControllerClient(self._lost.url, self._secret)
            chores = (self._router.follow(self._lost.url), self._care.run(client))
            self._chores += [self._tasks.create_task(chore) for chore in chores]
        rest = [keeper for keeper in self.keepers if keeper not in servers]
        begun = [asyncio.create_task(self._begin_one_of(keeper, rest)) for keeper in rest]
        try:
            all_up = all(await asyncio.gather(*begun))
        finally:
            for task in begun:
                task.cancel()
        gateway = next((k.state.address for k in rest if k.plan.role == "openai_api"), None)
        set_aside = any(keeper.held or keeper.plan.drains for keeper in rest)
        if all_up and gateway is not None and not set_aside:  # else it is not going to be
            await until_ready(gateway)

    async def _begin_one_of(self, keeper: Keeper, others: Sequence[Keeper]) -> bool:
        """Whether it is up. Raises `StartError` when there is no sense in going on without it."""
        gateways = [other for other in others if other.plan.role == "openai_api"]
        if keeper.plan.role == "api" and not await self._meet_gateway(keeper, gateways):
            return False  # the gateway's own failure says why
        if keeper in gateways[1:] and not await self._share_port(keeper, gateways[0]):
            return False
        if await self._begin(keeper) or keeper.held or keeper.dozes:
            return True
        if keeper.plan.role not in WORKERS:
            raise StartError(why(keeper))
        if hopeless(others):
            # Of those that failed in the same moment none but this one may get to say why.
            failed = (k for k in others if k.plan.role in WORKERS and k not in self._excused)
            raise StartError("\n".join(map(why, failed)))
        self._excused.append(keeper)
        self._note(f"{why(keeper)}\nIt is tried again while the others go on.")
        return False

    async def _meet_gateway(self, app: Keeper, gateways: Sequence[Keeper]) -> bool:
        """Wait until our gateway is up and tell `app` where; also True if there is none of ours."""
        for gateway in gateways[:1]:
            if not await asyncio.shield(gateway.first):
                return False
            app.plan = app.plan.asking(gateway.state.address or "")
        return True

    async def _share_port(self, keeper: Keeper, first: Keeper) -> bool:
        """Wait until the first of the gateways is up: the others serve the port that it got."""
        if not await asyncio.shield(first.first):
            return False
        keeper.plan = keeper.plan.keeping(first.state.address or "")
        return True

    async def _take_in(self, plan: ChildPlan) -> None:
        """A guest, once there is a controller that it can join."""
        await self._met.wait()
        if self._asked.is_set():
            return
        keeper = self._keeper_of(plan.joining(self._lost.url))
        self.keepers.append(keeper)
        rotate(keeper.log)
        self._publish()
        await self._begin(keeper)

    async def _dismiss(self, keeper: Keeper) -> None:
        await self._lost.dismiss(keeper.plan.name)
        await self._end(keeper, self._for_all_s)
        for known in (self.keepers, self._begun):
            if keeper in known:
                known.remove(keeper)
        self._publish()

    async def _begin(self, keeper: Keeper) -> bool:
        self._begun.append(keeper)
        self._tasks.create_task(keeper.keep())
        return await asyncio.shield(keeper.first)

    async def _stop(self, stages: Sequence[Sequence[Role]], limit_s: float) -> None:
        for stage in stages:
            leaving = [keeper for keeper in self._begun if keeper.plan.role in stage]
            await asyncio.gather(*(self._end(keeper, limit_s) for keeper in leaving))

    async def _end(self, keeper: Keeper, limit_s: float) -> None:
        if not await keeper.stop(limit_s):
            self._note(f"{keeper.plan.name} did not stop in {limit_s:g} s and was killed.")

    async def _tidy(self) -> None:
        orphans = Orphans()
        while True:
            await asyncio.sleep(TIDY_S)
            orphans.collect()
            for log_file in (self._own_log, *(keeper.log for keeper in self._begun)):
                bound(log_file)

    def _publish(self) -> None:
        children = [keeper.state for keeper in (*self.keepers, *self._crew.passing)]
        self._view.changed(children)
        self._changed(children)

    def _note(self, text: str) -> None:
        log.warning("told the terminal", extra={"text": text})
        self._view.say(text)

    def _report_loss(self, child: ChildState) -> None:
        if child.role in WORKERS and child.address:
            self._tasks.create_task(self._lost.report(child.address))

    def _hear_wish(self, by: ChildPlan, wish: Wish) -> None:
        if may_ask(by, wish):
            self._obey(wish)

    async def _listen(self) -> None:
        while not self._asked.is_set():  # whoever speaks later sees that nobody listens
            await asyncio.sleep(LOOK_S)
            for wish in take_wishes(self._inbox):
                self._obey(wish)
            self._router.doubt()

    def _obey(self, wish: Wish) -> None:
        if self._asked.is_set():
            return
        if not isinstance(wish, Request):
            self._tasks.create_task(self._guests.fulfil(wish, self._house))
        elif keeper := worker_meant(wish, self._begun):
            self._tasks.create_task(self._wishes.fulfil(wish, keeper))
