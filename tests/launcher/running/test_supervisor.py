"""With real processes that are quick fakes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

import psutil
import pytest

from server.launcher.running.child import Child
from server.launcher.setup.home import Home
from server.wire.launcher import ChildState
from server.wire.process import RoleSettings
from tests.fakes.waiting import until
from tests.launcher.fleet import PROVIDER, SECRET, Fleet

pytestmark = pytest.mark.anyio

WORKER = "model_worker a"


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # also between the two questions
        return False


async def test_the_controller_is_ready_before_anything_else_starts(home: Home) -> None:
    fleet = Fleet(home, providers=[PROVIDER])
    async with fleet.running():
        starts = fleet.story("start")
        url = fleet.state("controller").address
        assert starts[0]["about"] == "controller"
        assert {event["settings"]["controller_url"] for event in starts[1:]} == {url}
        assert {event["about"] for event in starts[1:]} == {"openai_api", WORKER, "online_api p"}
        assert all(keeper.state.status == "ready" for keeper in fleet.supervisor.keepers)


async def test_secrets_come_by_standard_input_alone(home: Home) -> None:
    fleet = Fleet(home)
    async with fleet.running():
        arguments = psutil.Process(fleet.pid("controller")).cmdline()
        start = fleet.story("start")[0]
        assert start["settings"]["secret"] == SECRET
        assert SECRET not in str(arguments) + str(start["environ"])


async def test_the_gateway_stops_first_and_the_controller_last(home: Home) -> None:
    fleet = Fleet(home, models=("a", "b"))
    async with fleet.running():
        pids = [fleet.pid(keeper.plan.name) for keeper in fleet.supervisor.keepers]
    ends = [event["about"] for event in fleet.story("end")]
    assert ends[0] == "openai_api"
    assert ends[-1] == "controller"
    assert len(ends) == 4
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_the_app_server_stops_before_the_gateway(home: Home) -> None:
    fleet = Fleet(home, app=True)
    async with fleet.running():
        pass
    ends = [event["about"] for event in fleet.story("end")]
    assert ends == ["api", "openai_api", WORKER, "controller"]


async def test_the_app_server_starts_with_the_gateway_and_before_the_models(home: Home) -> None:
    fleet = Fleet(home, behaviour={WORKER: "mute"}, app=True)
    run = asyncio.create_task(fleet.run())
    await until(lambda: fleet.state("api").status == "ready")
    assert fleet.state(WORKER).status == "loading"
    (app,) = [event for event in fleet.story("start") if event["about"] == "api"]
    assert app["settings"]["gateway_url"] == fleet.state("openai_api").address
    assert app["settings"]["controller_url"] == fleet.state("controller").address
    assert app["environ"]["LANGSMITH_TRACING"] == "false"
    fleet.supervisor.ask_to_stop()
    assert await asyncio.wait_for(run, 10) == 0


async def test_without_a_gateway_no_app_server_is_tried(home: Home) -> None:
    fleet = Fleet(home, behaviour={"openai_api": "fail"}, app=True)
    assert await asyncio.wait_for(fleet.run(), 5) == 1
    assert fleet.view.has("openai_api did not start")
    assert "api" not in [event["about"] for event in fleet.story("start")]


async def test_a_worker_that_dies_is_lost_at_once_and_comes_back(home: Home) -> None:
    fleet = Fleet(home)
    async with fleet.running():
        address = fleet.state(WORKER).address
        os.kill(fleet.pid(WORKER), signal.SIGKILL)
        await until(lambda: fleet.story("/fleet/lost"), limit_s=1)
        (lost,) = fleet.story("/fleet/lost")
        assert lost["about"]["address"] == address
        assert lost["secret"] == SECRET
        assert fleet.view.has(WORKER, "died: killed (SIGKILL)", "memory", "again in 0.5 s")
        await until(lambda: fleet.state(WORKER).status == "ready")
        assert fleet.state(WORKER).restarts == 1
        assert fleet.view.has(WORKER, "is ready again")


async def test_a_provider_that_is_not_there_holds_nothing_up(home: Home) -> None:
    name = "online_api p"
    fleet = Fleet(home, providers=[PROVIDER], behaviour={name: "alone"})
    async with fleet.running():
        assert fleet.state(name).status == "ready"
        assert fleet.state(name).missing == "acme at http://a.example: refused"
        os.kill(fleet.pid(name), signal.SIGUSR1)
        await until(lambda: fleet.state(name).missing == "")
        assert fleet.view.has(name, "is there now")
    assert fleet.state(name).restarts == 0


async def test_a_life_that_ended_leaves_no_descriptor(home: Home) -> None:
    fleet = Fleet(home)
    async with fleet.running():
        me = psutil.Process()
        before = me.num_fds()
        lives: list[int] = []
        while len(lives) < 4:
            lives.append(fleet.pid("controller"))
            os.kill(lives[-1], signal.SIGKILL)
            await until(lambda: fleet.state("controller").restarts == len(lives), limit_s=10)
            await until(lambda: fleet.state("controller").status == "ready")
        # The launcher's own connection to the controller may be there, or on its way.
        await until(lambda: me.num_fds() <= before + 1)


@pytest.mark.parametrize("server", ["controller", "openai_api", "api"])
async def test_a_server_comes_back_on_the_port_that_others_know(home: Home, server: str) -> None:
    fleet = Fleet(home, app=True)
    async with fleet.running():
        address = fleet.state(server).address
        os.kill(fleet.pid(server), signal.SIGKILL)
        await until(lambda: fleet.state(server).restarts == 1)
        await until(lambda: fleet.state(server).status == "ready")
        assert fleet.state(server).address == address


@pytest.mark.slow
async def test_the_fifth_crash_in_a_minute_is_quarantine_and_the_others_serve(home: Home) -> None:
    fleet = Fleet(home, models=("a", "bad"), behaviour={"model_worker bad": "exit"})
    async with fleet.running():
        await until(lambda: fleet.state("model_worker bad").status == "quarantined", limit_s=15)
        assert len([e for e in fleet.story("start") if e["about"] == "model_worker bad"]) == 5
        assert fleet.view.has("model_worker bad", "did not start: exit code 3", "quarantined")
        assert fleet.state(WORKER).status == "ready"


@pytest.mark.parametrize("server", ["controller", "openai_api", "api"])
async def test_a_server_that_does_not_start_stops_all(home: Home, server: str) -> None:
    fleet = Fleet(home, behaviour={server: "fail"}, app=True)
    assert await asyncio.wait_for(fleet.run(), 5) == 1
    assert fleet.view.has(f"{server} did not start: no weights", "the weights are not there")
    assert not fleet.ready.is_set()
    assert all(keeper.state.pid is None for keeper in fleet.supervisor.keepers)


async def test_a_model_that_fails_is_named_while_the_others_serve(home: Home) -> None:
    fleet = Fleet(home, models=("a", "bad"), behaviour={"model_worker bad": "fail"})
    async with fleet.running():
        assert fleet.view.has("model_worker bad did not start: no weights", "tried again")
        assert fleet.state(WORKER).status == "ready"


async def test_when_every_local_model_fails_so_does_the_start(home: Home) -> None:
    behaviour = {"model_worker a": "fail", "model_worker b": "exit"}
    fleet = Fleet(home, models=("a", "b"), behaviour=behaviour)
    assert await asyncio.wait_for(fleet.run(), 20) == 1
    assert fleet.view.has("model_worker a did not start: no weights")
    assert fleet.view.has("model_worker b did not start: exit code 3")


async def test_of_models_that_fail_in_the_same_moment_each_says_why(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn = Child.spawn

    async def refuse_workers(module: str, settings: RoleSettings, **more: Any) -> Child:
        if settings.name.startswith("model_worker"):
            raise OSError(12, f"no memory for {settings.name}")
        return await spawn(module, settings, **more)

    monkeypatch.setattr(Child, "spawn", refuse_workers)
    fleet = Fleet(home, models=("a", "b", "c"))
    assert await asyncio.wait_for(fleet.run(), 20) == 1
    for name in "abc":
        assert fleet.view.has(
            f"model_worker {name} did not start", f"no memory for model_worker {name}"
        )


async def test_an_online_provider_is_reason_enough_to_go_on(home: Home) -> None:
    fleet = Fleet(home, providers=[PROVIDER], behaviour={WORKER: "fail"})
    async with fleet.running():
        assert fleet.state("online_api p").status == "ready"
        assert fleet.state("openai_api").status == "ready"


async def test_a_child_that_never_gets_ready_is_ended_at_its_deadline(home: Home) -> None:
    fleet = Fleet(home, models=("a", "bad"), behaviour={"model_worker bad": "mute"}, deadline_s=1.5)
    async with fleet.running():
        assert fleet.view.has("model_worker bad did not start: not ready after 1.5 s")


async def test_stopping_while_things_load_takes_no_longer_than_two_seconds(home: Home) -> None:
    fleet = Fleet(home, behaviour={WORKER: "mute"})
    run = asyncio.create_task(fleet.run())
    await until(lambda: fleet.state(WORKER).status == "loading")
    pid = fleet.pid(WORKER)
    began = time.monotonic()
    fleet.supervisor.ask_to_stop()
    assert await asyncio.wait_for(run, 10) == 0
    assert time.monotonic() - began < 4
    assert not psutil.pid_exists(pid)
    assert not fleet.ready.is_set()


@pytest.mark.slow
async def test_a_child_deaf_to_the_first_signal_is_killed_after_the_drain(home: Home) -> None:
    fleet = Fleet(home, behaviour={WORKER: "deaf"}, drain_s=0.1)
    async with fleet.running():
        pid = fleet.pid(WORKER)
    assert not psutil.pid_exists(pid)
    assert fleet.view.has(WORKER, "did not stop in 3.1 s and was killed")


async def test_asking_twice_ends_everything_at_once(home: Home) -> None:
    fleet = Fleet(home, behaviour={"openai_api": "deaf", WORKER: "deaf", "controller": "deaf"})
    run = asyncio.create_task(fleet.run())
    await asyncio.wait_for(fleet.ready.wait(), 20)
    pids = [fleet.pid(keeper.plan.name) for keeper in fleet.supervisor.keepers]
    fleet.supervisor.ask_to_stop()
    await until(lambda: fleet.state("openai_api").status == "stopping")
    began = time.monotonic()
    fleet.supervisor.ask_to_stop()
    assert await asyncio.wait_for(run, 5) == 1
    assert time.monotonic() - began < 2
    assert not any(is_alive(pid) for pid in pids)


async def test_a_supervisor_that_is_cancelled_leaves_no_process(home: Home) -> None:
    fleet = Fleet(home)
    run = asyncio.create_task(fleet.run())
    await asyncio.wait_for(fleet.ready.wait(), 20)
    pids = [fleet.pid(keeper.plan.name) for keeper in fleet.supervisor.keepers]
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await until(lambda: not any(is_alive(pid) for pid in pids))
    await asyncio.sleep(0.3)  # the loop, too, has to see their pipes end before it is closed


async def test_each_child_has_a_log_of_its_own(home: Home) -> None:
    fleet = Fleet(home, models=("a", "bad"), behaviour={"model_worker bad": "fail"})
    async with fleet.running():
        log = home.log_of("model_worker bad")
        assert "the weights are not there" in log.read_text()
        assert log.stat().st_mode & 0o777 == 0o600
        assert home.log_of("controller").exists()


async def test_a_state_is_published_whenever_it_changes(home: Home) -> None:
    seen: list[ChildState] = []
    fleet = Fleet(home, changed=seen.extend)
    async with fleet.running():
        pass
    statuses = dict.fromkeys(child.status for child in seen if child.name == WORKER)
    assert list(statuses) == ["waiting", "starting", "loading", "ready", "stopping", "stopped"]
