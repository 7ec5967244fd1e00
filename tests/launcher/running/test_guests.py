"""Servers join and leave while it runs; with real processes that are quick fakes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psutil
import pytest

from server.clients.joined import JoinedFile
from server.core.ids import name_here
from server.core.settings import JoinedServer
from server.launcher.running.desired import Desired
from server.launcher.running.inbox import put_wish
from server.launcher.running.wishes import may_ask
from server.launcher.setup.home import Home
from server.wire.process import Join, Leave, OnlineWorkerProcess, Request
from tests.fakes.waiting import until
from tests.launcher.fleet import Fleet

pytestmark = pytest.mark.anyio

GPU = JoinedServer(url="http://gpu1:8000")
OTHER = JoinedServer(url="http://gpu2:8000", name="gpu1-8000")
WORKER = "online_api gpu1-8000"


async def seen(condition: Callable[[], object]) -> None:
    """Processes start and end at the pace of the machine."""
    await until(condition, limit_s=20)


def names(fleet: Fleet) -> list[str]:
    return [keeper.plan.name for keeper in fleet.supervisor.keepers]


async def joined(fleet: Fleet, home: Home, server: JoinedServer = GPU) -> None:
    put_wish(home.wishes, Join(join=server))
    await seen(lambda: WORKER in names(fleet) and fleet.state(WORKER).status == "ready")


async def test_a_server_joins_and_is_there_in_the_next_life_until_it_leaves(home: Home) -> None:
    fleet = Fleet(home)
    async with fleet.running():
        await joined(fleet, home)
        settings = fleet.keeper(WORKER).plan.settings
        assert isinstance(settings, OnlineWorkerProcess)
        assert settings.controller_url == fleet.state("controller").address
        assert settings.provider.server
    again = Fleet(home)
    async with again.running():
        assert again.state(WORKER).status == "ready"
        pid = again.pid(WORKER)
        put_wish(home.wishes, Leave(leave="gpu1-8000"))
        await seen(lambda: WORKER not in names(again))
        assert not psutil.pid_exists(pid)
        assert again.view.has("lets gpu1-8000 leave")
        (dismissal,) = again.story("/fleet/dismiss")
        assert dismissal["about"] == {"name": name_here(WORKER)}
    third = Fleet(home)
    async with third.running():
        assert WORKER not in names(third)


async def test_of_two_with_one_name_the_first_stays(home: Home) -> None:
    fleet = Fleet(home)
    async with fleet.running():
        for server in (GPU, OTHER):
            put_wish(home.wishes, Join(join=server))
        await seen(lambda: fleet.view.has("one of that name already"))
        assert names(fleet).count(WORKER) == 1
        kept = JoinedFile(home.joined_file).servers["gpu1-8000"]
        assert kept in (GPU, OTHER)


async def test_one_that_was_stopped_is_forgotten_when_it_leaves(home: Home) -> None:
    fleet = Fleet(home, app=True)
    async with fleet.running():
        await joined(fleet, home)
        await fleet.wish("stop", WORKER)
        await seen(lambda: fleet.state(WORKER).status == "stopped")
        put_wish(home.wishes, Leave(leave="gpu1-8000"))
        await seen(lambda: WORKER not in names(fleet))
        assert Desired(home.desired_file).of(WORKER) == "serve"
        await joined(fleet, home)


async def test_what_cannot_be_written_down_does_not_join(home: Home) -> None:
    home.joined_file.write_text("nonsense")
    fleet = Fleet(home)
    async with fleet.running():
        assert fleet.view.has("makes no sense", "none of them is")
        put_wish(home.wishes, Join(join=GPU))
        await seen(lambda: fleet.view.has("could not be written down"))
        assert WORKER not in names(fleet)
    assert home.joined_file.read_text() == "nonsense"


async def test_a_stop_while_one_joins_ends_all_the_same(home: Home) -> None:
    fleet = Fleet(home)
    async with fleet.running():
        put_wish(home.wishes, Join(join=GPU))
        await asyncio.sleep(0.3)


def test_only_gateways_may_ask_and_not_for_every_secret(home: Home) -> None:
    async def plans() -> None:
        fleet = Fleet(home, app=True)
        by = {keeper.plan.role: keeper.plan for keeper in fleet.supervisor.keepers}
        gateway, app = by["openai_api"], by["api"]
        stop = Request(ask="stop", child=WORKER)
        free = GPU.model_copy(update={"api_key_env": "SERVER_KEY_GPU"})
        secret = GPU.model_copy(update={"api_key_env": "OPENAI_API_KEY"})
        assert may_ask(gateway, Join(join=GPU))
        assert may_ask(gateway, Join(join=free))
        assert may_ask(gateway, Leave(leave="x"))
        assert not may_ask(gateway, Join(join=secret))
        assert not may_ask(gateway, stop)
        assert not may_ask(app, Join(join=GPU))
        assert may_ask(app, stop)

    asyncio.run(plans())
