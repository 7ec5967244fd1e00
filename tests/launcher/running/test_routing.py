"""What the launcher makes of what the controller says of its workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server.clients.fleet import SILENCE_S
from server.launcher.running.desired import Desired
from server.launcher.running.keeper import Keeper
from server.launcher.running.routing import Router
from server.launcher.running.surroundings import Surroundings
from server.launcher.setup.plan import ChildPlan
from server.wire.fleet import FleetView, Registration, State, WorkerView
from server.wire.process import ModelWorkerProcess
from tests.fakes.clock import ManualClock
from tests.fakes.controller import SECRET, controller
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio

A = "model_worker a"
ADDRESS = "http://127.0.0.1:1001"


def keeper_of(tmp_path: Path, clock: ManualClock) -> Keeper:
    """Of a worker that is ready at `ADDRESS`."""
    settings = ModelWorkerProcess.model_validate(
        {"name": A, "secret": "s", "controller_url": "", "model": {"name": "a", "path": "a"}}
    )
    plan = ChildPlan(A, "model_worker", "no.module", settings, 1.0)
    around = Surroundings(
        {},
        tmp_path,
        clock,
        changed=lambda: None,
        note=lambda text: None,
        lost=lambda child: None,
        asked=lambda by, request: None,
    )
    keeper = Keeper(plan, tmp_path / "log", around)
    keeper.state = keeper.state.model_copy(update={"status": "ready", "address": ADDRESS})
    return keeper


class Launcher:
    def __init__(self, tmp_path: Path) -> None:
        self.clock = ManualClock()
        self.desired = Desired(tmp_path / "desired.json")
        self.keeper = keeper_of(tmp_path, self.clock)
        self.notes: list[str] = []
        self.router = Router([self.keeper], self.desired, SECRET, self.clock, self.notes.append)

    def hear(
        self,
        state: State | None,
        *,
        generation: str = "g1",
        controller: str = "c1",
        settled: bool = True,
    ) -> None:
        """The controller lists our worker in `state`, or not at all."""
        listed = () if state is None else (worker(state, generation),)
        self.router.learn(FleetView(controller=controller, settled=settled, workers=listed))


def worker(state: State, generation: str) -> WorkerView:
    return WorkerView(address=ADDRESS, generation=generation, models=("a",), state=state)


@asynccontextmanager
async def following(launcher: Launcher, url: str) -> AsyncIterator[None]:
    task = asyncio.create_task(launcher.router.follow(url))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
async def launcher(tmp_path: Path) -> AsyncIterator[Launcher]:
    yield Launcher(tmp_path)


async def test_a_worker_is_routed_as_the_controller_says(launcher: Launcher) -> None:
    for state in ("ready", "suspect", "ready", "draining"):
        launcher.hear(state)
        assert launcher.keeper.state.routing == state


async def test_a_worker_that_is_not_listed_is_absent_once_that_means_something(
    launcher: Launcher,
) -> None:
    for settled, routing in ((False, ""), (True, "absent")):
        launcher.hear(None, settled=settled)
        assert launcher.keeper.state.routing == routing


async def test_of_a_worker_that_waits_for_its_provider_nothing_is_said(launcher: Launcher) -> None:
    state = launcher.keeper.state
    launcher.keeper.state = state.model_copy(update={"missing": "acme"})
    launcher.hear(None)
    assert launcher.keeper.state.routing == ""


async def test_a_controller_that_is_silent_says_nothing_of_anybody(launcher: Launcher) -> None:
    launcher.hear("ready")
    for silent_s, routing in ((SILENCE_S, "ready"), (1.0, "")):
        launcher.clock.advance(silent_s)
        launcher.router.doubt()
        assert launcher.keeper.state.routing == routing


async def test_what_an_operator_told_the_controller_is_remembered(launcher: Launcher) -> None:
    launcher.hear("ready")
    launcher.hear("draining")
    assert launcher.desired.of(A) == "drain"
    assert launcher.keeper.plan.drains
    assert launcher.notes == [f"An operator has drained {A}."]
    launcher.hear("ready")
    assert launcher.desired.of(A) == "serve"
    assert not launcher.keeper.plan.drains


async def test_silence_and_a_new_registration_take_no_drain_back(launcher: Launcher) -> None:
    launcher.hear("ready")
    launcher.hear("draining")
    launcher.hear(None)
    launcher.hear("ready", generation="g2")
    assert launcher.desired.of(A) == "drain"


async def test_a_controller_that_forgot_takes_no_drain_back(launcher: Launcher) -> None:
    launcher.hear("ready")
    launcher.hear("draining")
    launcher.hear("ready", controller="c2")
    assert launcher.desired.of(A) == "drain"


async def test_nothing_is_learnt_of_a_worker_that_is_being_stopped(launcher: Launcher) -> None:
    launcher.hear("ready")
    launcher.desired.remember(A, "stop")
    launcher.hear("draining")
    assert launcher.desired.of(A) == "stop"


@pytest.mark.parametrize("drains", [True, False])
async def test_what_is_not_as_it_was_wanted_is_put_right(launcher: Launcher, drains: bool) -> None:
    launcher.desired.remember(A, "drain" if drains else "serve")
    async with controller() as fleet:
        fleet.registry.register(
            Registration(address=ADDRESS, generation="g", models=("a",), draining=not drains)
        )
        async with following(launcher, fleet.url):
            await until(lambda: fleet.registry.drains(ADDRESS) == drains)
            await until(
                lambda: launcher.keeper.state.routing == ("draining" if drains else "ready")
            )
    assert launcher.desired.of(A) == ("drain" if drains else "serve")


async def test_a_drain_is_passed_on_to_the_controller_and_taken_back(launcher: Launcher) -> None:
    async with controller() as fleet:
        fleet.registry.register(Registration(address=ADDRESS, generation="g", models=("a",)))
        async with following(launcher, fleet.url):
            await until(lambda: launcher.keeper.state.routing == "ready")
            for drains in (True, False):
                launcher.desired.remember(A, "drain" if drains else "serve")
                launcher.router.drain(launcher.keeper, drains)
                await until(lambda: fleet.registry.drains(ADDRESS) == launcher.keeper.plan.drains)
                assert launcher.keeper.plan.drains == drains
    assert launcher.notes == []
