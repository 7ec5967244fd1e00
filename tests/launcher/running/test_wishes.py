"""Operators stop and start workers; with real processes that are quick fakes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence

import psutil
import pytest

from server.launcher.running.desired import Desired
from server.launcher.running.inbox import LOOK_S, put_wish
from server.launcher.setup.home import Home
from server.wire.launcher import ChildState
from server.wire.process import Request
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


def wanted(home: Home, name: str = A) -> str:
    """What the next launcher of this home will know."""
    return Desired(home.desired_file).of(name)


def starts_of(fleet: Fleet, name: str = A) -> list[bool]:
    """Whether it was to drain, at each start."""
    return [e["settings"]["draining"] for e in fleet.story("start") if e["about"] == name]


async def test_a_stop_is_remembered_until_a_start(home: Home) -> None:
    fleet = Fleet(home, app=True)
    async with fleet.running():
        await held(fleet)
        assert wanted(home) == "stop"
        await fleet.wish("start", A)
        await seen(lambda: fleet.state(A).status == "ready")
        assert wanted(home) == "serve"
    assert wanted(home) == "serve"  # that everything stops is no wish about a worker


async def test_a_worker_stopped_in_an_earlier_life_of_the_launcher_is_not_started(
    home: Home,
) -> None:
    Desired(home.desired_file).remember(A, "stop")
    fleet = Fleet(home, models=("a", "b"), app=True)
    async with fleet.running():
        state = fleet.state(A)
        assert (state.status, state.pid, state.detail) == ("stopped", None, "by an operator")
        assert A not in [event["about"] for event in fleet.story("start")]
        assert fleet.state(B).status == "ready"
        await fleet.wish("start", A)
        await seen(lambda: fleet.state(A).status == "ready")


async def test_a_fleet_whose_only_worker_was_stopped_starts_all_the_same(home: Home) -> None:
    Desired(home.desired_file).remember(A, "stop")
    fleet = Fleet(home)
    async with fleet.running():
        assert fleet.state(A).status == "stopped"


async def test_a_drained_worker_drains_from_its_first_moment_in_every_life(home: Home) -> None:
    fleet = Fleet(home, app=True)
    async with fleet.running():
        await fleet.wish("drain", A)
        await seen(lambda: wanted(home) == "drain")
        await seen(lambda: fleet.story("/fleet/drain"))
        os.kill(fleet.pid(A), signal.SIGKILL)
        await seen(lambda: fleet.state(A).restarts == 1)
        await seen(lambda: fleet.state(A).status == "ready")
    again = Fleet(home, app=True)
    async with again.running():
        assert starts_of(again) == [False, True, True]
        await again.wish("restart", A)
        await seen(lambda: len(starts_of(again)) == 4)
        assert wanted(home) == "serve"
    assert starts_of(again) == [False, True, True, False]


async def test_what_is_stopped_cannot_be_drained(home: Home) -> None:
    fleet = Fleet(home, app=True)
    async with fleet.running():
        await held(fleet)
        await fleet.wish("drain", A)
        await seen(lambda: fleet.view.has(A, "nothing to drain"))
        assert wanted(home) == "stop"


async def test_what_is_said_on_the_command_line_is_heard_without_an_app_server(home: Home) -> None:
    fleet = Fleet(home)
    async with fleet.running():
        wish = put_wish(home.wishes, Request(ask="stop", child=A))
        await seen(lambda: not wish.exists())
        await seen(lambda: fleet.state(A).status == "stopped")
        put_wish(home.wishes, Request(ask="stop", child="controller"))
        await seen(lambda: not list(home.wishes.iterdir()))
        assert fleet.state("controller").status == "ready"


async def test_what_was_said_to_a_launcher_that_died_is_not_done_by_the_next(home: Home) -> None:
    put_wish(home.wishes, Request(ask="stop", child=A))
    fleet = Fleet(home)
    async with fleet.running():
        await asyncio.sleep(2 * LOOK_S)
        assert fleet.state(A).status == "ready"
    assert not home.wishes.exists()


async def test_a_list_of_wishes_that_makes_no_sense_is_told(home: Home) -> None:
    home.desired_file.write_text("{")
    fleet = Fleet(home)
    async with fleet.running():
        assert fleet.view.has(str(home.desired_file), "each of them is started")
