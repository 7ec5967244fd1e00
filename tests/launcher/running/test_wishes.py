"""Operators stop and start workers; with real processes that are quick fakes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence

import psutil
import pytest

from server.launcher.setup.home import Home
from server.wire.launcher import ChildState
from tests.fakes.waiting import until
from tests.launcher.fleet import Fleet

pytestmark = pytest.mark.anyio

A, B = "model_worker a", "model_worker b"


async def seen(condition: Callable[[], object]) -> None:
    """Processes start and end at the pace of the machine."""
    await until(condition, limit_s=20)


async def held(fleet: Fleet, name: str = A) -> None:
    await fleet.wish("stop", name)
    await seen(lambda: fleet.state(name).status == "stopped")


async def test_a_worker_that_is_stopped_stays_stopped_until_it_is_started(home: Home) -> None:
    fleet = Fleet(home, models=("a", "b"), app=True)
    async with fleet.running():
        pid, address = fleet.pid(A), fleet.state(A).address
        await held(fleet)
        state = fleet.state(A)
        assert (state.pid, state.address, state.detail) == (None, None, "by an operator")
        await seen(lambda: not psutil.pid_exists(pid))
        assert [event["about"] for event in fleet.story("end")] == [A]
        await seen(lambda: fleet.story("/fleet/lost"))
        assert fleet.story("/fleet/lost")[0]["about"]["address"] == address
        await asyncio.sleep(0.7)  # longer than the pause after a crash
        assert fleet.state(A).status == "stopped"
        await fleet.wish("start", A)
        await seen(lambda: fleet.state(A).status == "ready")
        assert fleet.state(A).restarts == 0
        assert fleet.state(B).status == "ready"


async def test_a_worker_that_is_restarted_is_another_process(home: Home) -> None:
    fleet = Fleet(home, app=True)
    async with fleet.running():
        pid = fleet.pid(A)
        await fleet.wish("restart", A)
        await seen(lambda: fleet.state(A).status == "ready" and fleet.state(A).pid != pid)
        assert [event["about"] for event in fleet.story("end")] == [A]
        assert fleet.state(A).restarts == 0


async def test_start_ends_the_pause_after_crashes(home: Home) -> None:
    fleet = Fleet(home, models=("a", "b"), behaviour={B: "exit"}, app=True)
    async with fleet.running():
        await seen(lambda: fleet.state(B).restarts == 2)
        await seen(lambda: fleet.state(B).status == "backoff")  # of two seconds
        count = len(fleet.story("start"))
        began = time.monotonic()
        await fleet.wish("start", B)
        await seen(lambda: len(fleet.story("start")) > count)
        assert time.monotonic() - began < 1.5


async def test_stop_ends_the_pause_after_crashes_for_good(home: Home) -> None:
    fleet = Fleet(home, models=("a", "b"), behaviour={B: "exit"}, app=True)
    async with fleet.running():
        await seen(lambda: fleet.state(B).status == "backoff")
        await held(fleet, B)
        count = len(fleet.story("start"))
        await asyncio.sleep(0.7)
        assert len(fleet.story("start")) == count


@pytest.mark.slow
async def test_what_was_given_up_can_be_started_and_stopped(home: Home) -> None:
    fleet = Fleet(home, models=("a", "b"), behaviour={B: "exit"}, app=True)
    async with fleet.running():
        await seen(lambda: fleet.state(B).status == "quarantined")
        count = len(fleet.story("start"))
        await fleet.wish("start", B)
        await seen(lambda: len(fleet.story("start")) > count)
        await seen(lambda: fleet.state(B).status == "backoff")
        await seen(lambda: fleet.state(B).status == "quarantined")
        await held(fleet, B)


async def test_the_launcher_stops_while_a_worker_is_held_or_paused(home: Home) -> None:
    fleet = Fleet(home, models=("a", "b"), behaviour={B: "exit"}, app=True)
    async with fleet.running():
        await held(fleet)
        await seen(lambda: fleet.state(B).status == "backoff")
        began = time.monotonic()
    assert time.monotonic() - began < 3
    assert {keeper.state.status for keeper in fleet.supervisor.keepers} == {"stopped"}


async def test_the_launcher_stops_while_a_worker_drains(home: Home) -> None:
    fleet = Fleet(home, behaviour={A: "deaf"}, drain_s=0.1, app=True)
    async with fleet.running():
        await fleet.wish("stop", A)
        await seen(lambda: fleet.state(A).status == "stopping")
        pid = fleet.pid(A)
    assert not psutil.pid_exists(pid)


async def test_a_worker_that_is_held_while_it_loads_ends_no_launch(home: Home) -> None:
    fleet = Fleet(home, behaviour={A: "mute"}, app=True)
    run = asyncio.create_task(fleet.run())
    await seen(lambda: fleet.state(A).status == "loading")
    await seen(lambda: fleet.state("api").status == "ready")
    await fleet.wish("stop", A)
    await asyncio.wait_for(fleet.ready.wait(), 10)
    assert fleet.state(A).status == "stopped"
    fleet.supervisor.ask_to_stop()
    assert await asyncio.wait_for(run, 10) == 0


async def test_a_crash_after_a_start_is_mended_as_any_other(home: Home) -> None:
    fleet = Fleet(home, app=True)
    async with fleet.running():
        await held(fleet)
        await fleet.wish("start", A)
        await seen(lambda: fleet.state(A).status == "ready")
        os.kill(fleet.pid(A), signal.SIGKILL)
        await seen(lambda: fleet.state(A).restarts == 1)
        await seen(lambda: fleet.state(A).status == "ready")


async def test_wishes_come_true_in_their_order(home: Home) -> None:
    statuses: list[str] = []

    def note(children: Sequence[ChildState]) -> None:
        status = next(child.status for child in children if child.name == A)
        if status not in statuses[-1:]:
            statuses.append(status)

    fleet = Fleet(home, app=True, changed=note)
    async with fleet.running():
        pid = fleet.pid(A)
        for ask in ("stop", "start", "restart", "start", "start"):
            await fleet.wish(ask, A)
        # The child itself may be restarted before it can tell that it was started.
        await seen(lambda: statuses.count("starting") == 3)
        await seen(lambda: fleet.state(A).status == "ready")
        assert fleet.pid(A) != pid
        assert statuses.count("starting") == 3


async def test_servers_and_strangers_are_not_at_anybodys_disposal(home: Home) -> None:
    fleet = Fleet(home, app=True)
    async with fleet.running():
        before = [keeper.state for keeper in fleet.supervisor.keepers]
        for name in ("controller", "openai_api", "api", "model_worker x", ""):
            await fleet.wish("stop", name)
        await fleet.wish("end", A)
        await fleet.wish("stop", A, by="openai_api")
        await asyncio.sleep(0.2)
        assert [keeper.state for keeper in fleet.supervisor.keepers] == before
