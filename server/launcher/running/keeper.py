"""Keeps one child alive: starts it, listens to it, starts it again, stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from server.core.clock import Clock
from server.core.limits import CRASHES_TO_QUARANTINE
from server.launcher.running.child import Child, describe_exit
from server.launcher.running.logs import printable
from server.launcher.running.restart import RestartPolicy
from server.launcher.running.state import ChildState, start_of
from server.launcher.setup.plan import ChildPlan
from server.wire.process import Report

LAST_WORDS_S = 1.0
"""How long a child may take to end after it has reported that it failed."""
UNREADY_STOP_S = 2.0
"""A child that is not ready has no requests to finish."""
_NO_PROCESS: Mapping[str, Any] = MappingProxyType(
    {"pid": None, "created": None, "address": None, "missing": ""}
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all keepers share."""

    environ: Mapping[str, str]
    cwd: Path
    clock: Clock
    changed: Callable[[], None]
    """Some child's state is another one now."""
    note: Callable[[str], None]
    """Tell people."""
    lost: Callable[[ChildState], None]
    """A child that had been ready has ended."""


class Keeper:
    def __init__(self, plan: ChildPlan, log: Path, around: Surroundings) -> None:
        self.plan = plan
        self.log = log
        self.state = ChildState(name=plan.name, role=plan.role)
        self.first: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """Whether the first start succeeded, once that is known."""
        self._around = around
        self._policy = RestartPolicy(around.clock)
        self._child: Child | None = None
        self._leaving = asyncio.Event()
        self._ended = asyncio.Event()

    async def keep(self) -> None:
        """Start the child, and again whenever it ends, until it is stopped or quarantined."""
        try:
            while not self._leaving.is_set():
                why = await self._live()
                if self._leaving.is_set():
                    break
                delay_s = self._policy.ended()
                self._mourn(why, delay_s)
                if delay_s is None:
                    return
                await self._pause(delay_s)
                self._set(restarts=self.state.restarts + 1)
            self._set(status="stopped", detail="", **_NO_PROCESS)
        finally:
            self._settle(False)
            self._ended.set()

    async def stop(self, limit_s: float) -> bool:
        """End the child; False if it had to be killed because it took longer than `limit_s`."""
        self._leaving.set()
        was_ready = self.state.status == "ready"
        if self._child is not None:
            self._set(status="stopping", detail="")
            self._child.terminate()
        try:
            limit_s = limit_s if was_ready else min(limit_s, UNREADY_STOP_S)
            await asyncio.wait_for(self._ended.wait(), limit_s)
        except TimeoutError:
            self.kill()
            await self._ended.wait()
            return not was_ready
        return True

    def kill(self) -> None:
        self._leaving.set()
        if self._child is not None:
            self._child.kill()

    async def _live(self) -> str:
        """One life of the process, from start to end. Returns why it ended."""
        self._set(status="starting", detail="", missing="")
        around, plan = self._around, self.plan
        environ = {**around.environ, **plan.env}
        try:
            child = await Child.spawn(
                plan.module, plan.settings, environ=environ, cwd=around.cwd, log=self.log
            )
        except OSError as error:
            return f"no process could be started ({error.strerror})"
        self._child = child
        self._set(pid=child.pid, created=start_of(child.pid))
        if self._leaving.is_set():  # we were told to stop while it was being started
            child.kill()
        try:
            return await self._listen(child)
        finally:
            child.kill()  # whatever it has started and left behind
            self._child = None

    async def _listen(self, child: Child) -> str:
        """Follow what it says until it has ended. Returns why it ended."""
        loop = asyncio.get_running_loop()
        reasons: list[str] = []

        def give_up() -> None:
            reasons.append(f"not ready after {self.plan.deadline_s:g} s")
            child.kill()

        deadline = loop.call_later(self.plan.deadline_s, give_up)

        async def hear() -> None:
            nonlocal deadline
            async for report in child.reports():
                if report.state in ("ready", "failed"):
                    deadline.cancel()
                if report.state == "failed":
                    reasons.append(_sentence(report.detail))
                    deadline = loop.call_later(LAST_WORDS_S, child.kill)
                self._heard(report)

        hearing = asyncio.create_task(hear())
        try:
            code = await child.wait()
            await asyncio.wait({hearing}, timeout=LAST_WORDS_S)
        finally:
            deadline.cancel()
            hearing.cancel()
        return reasons[0] if reasons else describe_exit(code)

    def _heard(self, report: Report) -> None:
        detail = _sentence(report.detail)
        if report.state == "ready":
            self._policy.ready()
            self.plan = self.plan.keeping(report.address)
            self._set(status="ready", detail=detail, address=report.address)
            if self.first.done():
                self._around.note(f"{self.plan.name} is ready again at {report.address}.")
            self._settle(True)
        elif report.state == "loading" and self.state.status != "ready":
            self._set(status="loading", detail=detail)
        elif report.state == "waiting":
            if self.state.missing and not detail:
                self._around.note(f"{self.plan.name}: what it waited for is there now.")
            self._set(missing=detail)

    def _mourn(self, why: str, delay_s: float | None) -> None:
        """Record that the child has ended, and say so; of a first start the supervisor speaks."""
        before = self.state
        after = "backoff" if delay_s is not None else "quarantined"
        self._set(status=after, detail=why, **_NO_PROCESS)
        if before.address is not None:
            self._around.lost(before)
        if self.first.done():
            what = "died" if before.address else "did not start"
            self._around.note(f"{self.plan.name} {what}: {why}. {_next(delay_s)} Log: {self.log}")
        self._settle(False)

    async def _pause(self, delay_s: float) -> None:
        try:
            await asyncio.wait_for(self._leaving.wait(), delay_s)
        except TimeoutError:
            return

    def _settle(self, succeeded: bool) -> None:
        if not self.first.done():
            self.first.set_result(succeeded)

    def _set(self, **changes: Any) -> None:
        if changes.get("status", self.state.status) != self.state.status:
            changes["since"] = self._around.clock.wall()
        self.state = self.state.model_copy(update=changes)
        self._around.changed()


def _sentence(text: str) -> str:
    """On one line, and without its own end mark."""
    return printable(" ".join(text.split())).rstrip(".:; ")


def _next(delay_s: float | None) -> str:
    if delay_s is not None:
        return f"It is started again in {delay_s:g} s."
    return (
        f"It failed {CRASHES_TO_QUARANTINE} times and is left alone now (quarantined) "
        "until Shortline is started again."
    )
