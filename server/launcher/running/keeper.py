"""Keeps one child alive: starts it, listens to it, starts it again, stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from server.launcher.running.child import Child, describe_exit
from server.launcher.running.pulse import is_watched, until_frozen
from server.launcher.running.restart import RestartPolicy
from server.launcher.running.state import start_of
from server.launcher.running.surroundings import HELD, NO_PROCESS, Surroundings, Verdict
from server.launcher.running.words import next_step, sentence
from server.launcher.setup.plan import ChildPlan
from server.wire.launcher import ChildState, Routing
from server.wire.process import Report

LAST_WORDS_S = 1.0
"""How long a child may take to end after it has reported that it failed."""
UNREADY_STOP_S = 2.0
"""A child that is not ready has no requests to finish."""


class Keeper:
    def __init__(
        self,
        plan: ChildPlan,
        log: Path,
        around: Surroundings,
        *,
        held: bool = False,
        dozes: str = "",
    ) -> None:
        self.plan = plan
        self.log = log
        self.state = ChildState(name=plan.name, role=plan.role, **plan.swapped)
        self.first: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """Whether the first start succeeded, once that is known."""
        self.held = held
        """An operator has stopped it, now or in an earlier life of the launcher."""
        self.dozes = dozes
        """Why it has no process until somebody asks for its model; empty: that is not so."""
        self.waking = False
        """Somebody has, and it is not there yet."""
        self.refused = ""
        """Why there was no room for it, when it was last to start."""
        self.retiring = False
        """It is being unloaded, or another one takes its place."""
        self.wishes = asyncio.Lock()
        """Held while one of them is fulfilled."""
        self._around = around
        self._policy = RestartPolicy(around.clock)
        self._child: Child | None = None
        self._wanted = not held and not dozes
        """False: it is held, dozes, or has failed too often."""
        self._called = asyncio.Event()
        """What is wanted of it has changed; ends a rest and a pause."""
        self._idle = asyncio.Event()
        """It has no process and gets none before it is called."""
        self._up = asyncio.Event()
        """It is ready, in this life,"""
        self._own = ""
        """and can be asked here, it and no other that shares its port."""
        self._leaving = asyncio.Event()
        self._ended = asyncio.Event()

    async def keep(self) -> None:
        """Start the child, and again whenever it ends, for as long as it is wanted."""
        try:
            while not self._leaving.is_set():
                if not self._wanted:
                    await self._rest()
                    continue
                verdict = await self._around.admit(self)
                if verdict.why and self._wanted:
                    self._turn_away(verdict)
                if self._leaving.is_set() or not self._wanted:
                    self._around.released(self)
                    continue
                why = await self._live()
                self._around.released(self)
                if self._leaving.is_set() or not self._wanted:
                    continue
                delay_s = self._policy.ended()
                self._mourn(why, delay_s)
                if delay_s is None:
                    self._wanted = False
                    continue
                await self._pause(delay_s)
                if self._wanted:
                    self._set(restarts=self.state.restarts + 1)
            self._set(status="stopped", detail="", **NO_PROCESS)
        finally:
            self._settle(False)
            self._idle.set()
            self._ended.set()

    async def stop(self, limit_s: float) -> bool:
        """End the child for good; False if it had to be killed because it took longer than
        `limit_s`."""
        self._leaving.set()
        return await self._end(self._ended, limit_s)

    async def hold(self, limit_s: float) -> bool:
        """End the child as `stop` does, until `start`."""
        self.held = True
        self._wanted = False
        return await self._end(self._idle, limit_s)

    async def doze(self, why: str, limit_s: float) -> bool:
        """End the child as `stop` does, until `start`; `why` it is not needed."""
        self.dozes = why
        self._wanted = False
        return await self._end(self._idle, limit_s)

    @property
    def wanted(self) -> bool:
        """Whether it is to run."""
        return self._wanted and not self._leaving.is_set()

    @property
    def has_ended(self) -> bool:
        return self._child is None

    def start(self) -> None:
        """Start it now if it does not run, whatever the reason; its crashes are forgotten."""
        if self._child is not None:
            return
        self.held = False
        self.dozes = self.refused = ""
        self._wanted = True
        self._policy = RestartPolicy(self._around.clock)
        self._called.set()

    def call_itself(self, name: str) -> None:
        """For people; its process has the name of its plan."""
        self._set(name=name)

    def routed(self, routing: Routing) -> None:
        """What the controller says of it."""
        if routing != self.state.routing:
            self._set(routing=routing)

    def kill(self) -> None:
        self._leaving.set()
        self._called.set()
        if self._child is not None:
            self._child.kill()

    async def _end(self, over: asyncio.Event, limit_s: float) -> bool:
        self._called.set()
        was_ready = self.state.address is not None
        if self._child is not None and self.state.status != "stopping":
            self._set(status="stopping", detail="")
            self._child.terminate()  # once: a second signal would end its requests
        try:
            limit_s = limit_s if was_ready else min(limit_s, UNREADY_STOP_S)
            await asyncio.wait_for(over.wait(), limit_s)
        except TimeoutError:
            if self._child is not None:
                self._child.kill()
            await over.wait()
            return not was_ready
        return True

    async def _rest(self) -> None:
        """Without a process, until it is called."""
        if self.held or self.dozes:
            before = self.state
            status, why = ("stopped", HELD) if self.held else ("asleep", self.dozes)
            self._set(status=status, detail=why, **NO_PROCESS)
            if before.address is not None:
                self._around.lost(before)
        self._settle(False)
        self._called.clear()
        self._idle.set()
        await self._called.wait()
        self._idle.clear()

    async def _live(self) -> str:
        """One life of the process, from start to end. Returns why it ended."""
        self._set(status="starting", detail="", missing="", **self.plan.swapped)
        around, plan = self._around, self.plan
        environ = {**around.environ, **plan.env}
        try:
            child = await Child.spawn(
                plan.module, plan.settings, environ=environ, cwd=around.cwd, log=self.log
            )
        except OSError as error:
            return f"no process could be started ({error.strerror})"
        self._child = child
        self._up.clear()
        self._set(pid=child.pid, created=start_of(child.pid))
        if self._leaving.is_set() or not self._wanted:  # we were told to while it was starting
            child.kill()
        try:
            return await self._listen(child)
        finally:
            child.kill()  # whatever it has started and left behind
            self._child = None
            await child.bury()

    async def _listen(self, child: Child) -> str:
        """Follow what it says until it has ended. Returns why it ended."""
        loop = asyncio.get_running_loop()
        reasons: list[str] = []

        def give_up(why: str) -> None:
            reasons.append(why)
            child.kill()

        too_late = f"not ready after {self.plan.deadline_s:g} s"
        deadline = loop.call_later(self.plan.deadline_s, give_up, too_late)

        async def hear() -> None:
            nonlocal deadline
            async for report in child.reports():
                if not isinstance(report, Report):
                    self._around.asked(self.plan, report)
                    continue
                if report.state in ("ready", "failed"):
                    deadline.cancel()
                if report.state == "failed":
                    reasons.append(sentence(report.detail))
                    deadline = loop.call_later(LAST_WORDS_S, child.kill)
                self._heard(report)

        hearing = asyncio.create_task(hear())
        watching = asyncio.create_task(self._watch(give_up))
        try:
            code = await child.wait()
            await asyncio.wait({hearing}, timeout=LAST_WORDS_S)
        finally:
            deadline.cancel()
            hearing.cancel()
            watching.cancel()
        return reasons[0] if reasons else describe_exit(code)

    async def _watch(self, give_up: Callable[[str], None]) -> None:
        """From when it is ready: give it up once it is frozen."""
        await self._up.wait()
        if is_watched(self.plan.role):
            give_up(await until_frozen(self._own, self._around.clock))

    def _turn_away(self, verdict: Verdict) -> None:
        self._wanted = False
        self.refused = verdict.why
        if verdict.later:
            self.dozes = verdict.why
        else:
            self._mourn(verdict.why, None, verdict.why)

    def _heard(self, report: Report) -> None:
        detail = sentence(report.detail)
        if report.state == "ready":
            self._policy.ready()
            self.plan = self.plan.keeping(report.address)
            self._set(status="ready", detail=detail, done=None, address=report.address)
            self._own = report.own or report.address
            self._up.set()
            if self.first.done():
                self._around.note(f"{self.plan.name} is ready again at {report.address}.")
            self._settle(True)
        elif report.state == "loading" and self.state.status != "ready":
            self._set(status="loading", detail=detail, done=report.done)
        elif report.state == "waiting":
            if self.state.missing and not detail:
                self._around.note(f"{self.plan.name}: what it waited for is there now.")
            self._set(missing=detail)

    def _mourn(self, why: str, delay_s: float | None, refused: str = "") -> None:
        """Record that the child has ended, and say so; of a first start the supervisor speaks."""
        before = self.state
        after = "backoff" if delay_s is not None else "quarantined"
        self._set(status=after, detail=why, **NO_PROCESS)
        if before.address is not None:
            self._around.lost(before)
        if self.first.done():
            what = "died" if before.address else "did not start"
            then = "" if refused else f" {next_step(delay_s)} Log: {self.log}"
            self._around.note(f"{self.plan.name} {what}: {why}.{then}")
        self._settle(False)

    async def _pause(self, delay_s: float) -> None:
        self._called.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._called.wait(), delay_s)

    def _settle(self, succeeded: bool) -> None:
        if not self.first.done():
            self.first.set_result(succeeded)

    def _set(self, **changes: Any) -> None:
        if changes.get("status", self.state.status) != self.state.status:
            changes["since"] = self._around.clock.wall()
        self.state = self.state.model_copy(update=changes)
        self._around.changed()
