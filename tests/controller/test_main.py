from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from server.clients.fleet import ControllerClient
from server.core.limits import HEARTBEAT_S
from server.core.settings import ControllerSettings, ModelSettings
from server.wire.process import ControllerProcess, ModelWorkerProcess
from tests.controller.registrations import A, registration
from tests.fakes.controller import SECRET
from tests.fakes.fastchat_processes import free_port, processes

pytestmark = pytest.mark.anyio

SETTINGS = ControllerProcess(name="controller", secret=SECRET, controller=ControllerSettings())


async def test_the_process_serves_and_ends_at_once_with_open_subscriptions() -> None:
    async with processes() as started:
        client = ControllerClient(await started.ours("server.controller", SETTINGS), SECRET)
        views = client.watch()
        assert not (await anext(views)).settled
        await client.register(registration())
        assert [worker.address for worker in (await anext(views)).workers] == [A]
        process = started.running["controller"]
        began = time.monotonic()
        process.terminate()
        async with asyncio.timeout(5):
            assert await process.wait() == 0
        assert time.monotonic() - began < 2
        await views.aclose()
        await client.aclose()


async def test_a_worker_comes_back_once_to_a_controller_that_was_killed() -> None:
    port = free_port()
    settings = SETTINGS.model_copy(update={"port": port})
    worker = ModelWorkerProcess(
        name="worker",
        secret=SECRET,
        controller_url=f"http://127.0.0.1:{port}",
        model=ModelSettings(name="echo", path="echo", engine="echo"),
    )
    async with processes() as started:
        client = ControllerClient(await started.ours("server.controller", settings), SECRET)
        address = await started.ours("server.worker.local", worker)
        await until_workers(client, [address])
        started.running["controller"].kill()
        await started.running["controller"].wait()
        await started.ours("server.controller", settings)
        began = time.monotonic()
        await until_workers(client, [address])
        assert time.monotonic() - began < HEARTBEAT_S + 1
        await client.aclose()


async def until_workers(client: ControllerClient, addresses: list[str]) -> None:
    async with asyncio.timeout(10), aclosing(client.watch()) as views:
        async for view in views:
            if [worker.address for worker in view.workers] == addresses:
                return


async def test_the_process_ends_with_its_launcher() -> None:
    async with processes() as started:
        await started.ours("server.controller", SETTINGS)
        process = started.running["controller"]
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(5):
            assert await process.wait() != 0
