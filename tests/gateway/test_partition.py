"""Controller and workers that do not reach one another for a while."""

from __future__ import annotations

import asyncio

import pytest

from server.clients import fleet as client_module
from server.clients.fleet import ControllerClient
from server.controller import fleet as controller_module
from server.controller import registry
from server.wire.fleet import Beat, Load
from tests.fakes.chaos_proxy import chaos_proxy
from tests.fakes.controller import SECRET, Controller, controller
from tests.fakes.waiting import until
from tests.fakes.worker import local_worker
from tests.gateway.conftest import Served, gateway

CHAT = "/v1/chat/completions"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that has to do with the heartbeat, ten times as fast."""
    monkeypatch.setattr(controller_module, "HEARTBEAT_S", 0.2)
    monkeypatch.setitem(registry.SILENCE_S, "openai", (1.0, 2.0))
    monkeypatch.setattr(client_module, "CALL_S", 0.4)


async def follow(served: Served, fleet: Controller) -> None:
    """As a gateway in production does."""
    client = ControllerClient(fleet.url, SECRET)
    try:
        async for seen in client.watch():
            served.fleet.apply(seen)
    finally:
        await client.aclose()


async def test_workers_cut_off_are_left_alone_and_listed_once_when_they_are_back(
    ask: dict[str, object],
) -> None:
    async with controller() as fleet, gateway() as served:
        following = asyncio.create_task(follow(served, fleet))
        with chaos_proxy("127.0.0.1", int(fleet.url.rpartition(":")[2])) as way:
            async with local_worker(controller_url=way.url):
                await until(lambda: served.fleet.workers())
                [before] = served.fleet.workers()
                old = before.view
                way.black_hole()
                await until(lambda: before.view.state == "suspect", limit_s=10)
                answer = await served.client.post(CHAT, json=ask | {"model": "echo"})
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) >= 1
                await until(lambda: not served.fleet.workers(), limit_s=10)
                way.mend()
                await until(lambda: served.fleet.workers(), limit_s=10)
                await asyncio.sleep(0.5)  # what was held on the way arrives
                [after] = served.fleet.workers()
                assert (after.view.address, after.view.state) == (old.address, "ready")
                assert after.view.generation != old.generation
                late = Beat(address=old.address, generation=old.generation, load=Load())
                client = ControllerClient(fleet.url, SECRET)
                assert not (await client.beat(late)).known
                await client.aclose()
        following.cancel()


async def test_a_lossy_network_makes_no_worker_a_suspect() -> None:
    states = set()
    async with controller() as fleet, gateway() as served:
        following = asyncio.create_task(follow(served, fleet))
        with chaos_proxy("127.0.0.1", int(fleet.url.rpartition(":")[2])) as way:
            way.lose(0.1, 0.1)
            async with local_worker(controller_url=way.url):
                await until(lambda: served.fleet.workers())
                for _ in range(60):
                    await asyncio.sleep(0.05)
                    states |= {worker.view.state for worker in served.fleet.workers()}
                assert states == {"ready"}
        following.cancel()
