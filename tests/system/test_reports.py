"""How soon a gateway hears of another one's requests: four processes of ours, as they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

import httpx
import psutil
import pytest

from server.core.limits import HEARTBEAT_S
from server.core.settings import ControllerSettings, GatewaySettings, ModelSettings
from server.gateway.ours import NUMBERS
from server.wire.fleet import SECRET_HEADER
from server.wire.process import ControllerProcess, GatewayProcess, ModelWorkerProcess
from server.wire.sight import GatewayNumbers
from tests.fakes.controller import SECRET
from tests.fakes.fastchat_processes import Processes, processes

pytestmark = [pytest.mark.anyio, pytest.mark.system, pytest.mark.slow]

INSIDE = {SECRET_HEADER: SECRET.get_secret_value()}
LONG = " ".join("word" for _ in range(2_000))
HEARD_S = 0.25
TIMES = 5
ASKING_S = 2.0


class Pair:
    """Two gateways in front of one worker."""

    def __init__(self, one: str, other: str, controller: psutil.Process) -> None:
        self.one = httpx.AsyncClient(base_url=one, trust_env=False, timeout=30, headers=INSIDE)
        self.other = httpx.AsyncClient(base_url=other, trust_env=False, timeout=30, headers=INSIDE)
        self.controller = controller

    async def running(self) -> int:
        """At the worker, as the other gateway has heard."""
        answer = await self.other.get(NUMBERS)
        (worker,) = GatewayNumbers.model_validate_json(answer.content).workers
        return worker.running

    async def heard_after(self, running: int) -> float:
        """Seconds until the other gateway has heard of so many."""
        began = time.monotonic()
        async with asyncio.timeout(2 * HEARTBEAT_S):
            while await self.running() != running:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.002)
        return time.monotonic() - began

    @asynccontextmanager
    async def streaming(self, words: str = LONG) -> AsyncIterator[None]:
        """A request through the one gateway that the worker is on."""
        body = {"model": "echo", "stream": True, "messages": [{"role": "user", "content": words}]}
        async with self.one.stream("POST", "/v1/chat/completions", json=body) as answer:
            assert answer.status_code == 200
            parts = answer.aiter_bytes()
            await anext(parts)
            yield


@asynccontextmanager
async def pair() -> AsyncIterator[Pair]:
    async with processes() as started:
        controller = await started.ours(
            "server.controller",
            ControllerProcess(name="controller", secret=SECRET, controller=ControllerSettings()),
        )
        model = ModelSettings(
            name="echo", path="echo", engine="echo", slots=64, options={"delay_ms": 20}
        )
        settings = ModelWorkerProcess(
            name="worker", secret=SECRET, controller_url=controller, model=model
        )
        await started.ours("server.worker.local", settings)
        one, other = [await _gateway(started, name, controller) for name in ("one", "other")]
        two = Pair(one, other, psutil.Process(started.running["controller"].pid))
        async with two.one, two.other:
            yield two


async def _gateway(started: Processes, name: str, controller: str) -> str:
    settings = GatewayProcess(
        name=name,
        secret=SECRET,
        controller_url=controller,
        gateway=GatewaySettings(),
        expected_models=("echo",),
    )
    address = await started.ours("server.gateway", settings)

    async def is_ready() -> bool:
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(f"{address}/readyz")).status_code == 200

    await started.until(name, is_ready)
    return address


async def test_a_gateway_soon_hears_of_a_request_that_another_has_sent_and_of_its_end() -> None:
    came, went = [], []
    async with pair() as two:
        for _ in range(TIMES):
            async with two.streaming():
                came.append(await two.heard_after(1))
            went.append(await two.heard_after(0))
    assert median(came) < HEARD_S, came
    assert median(went) < HEARD_S, went


async def test_short_requests_in_any_number_do_not_flood_the_controller() -> None:
    async with pair() as two:
        before_s = _cpu_s(two.controller)
        began = time.monotonic()

        async def ask() -> int:
            body = {"model": "echo", "messages": [{"role": "user", "content": "a"}]}
            asked = 0
            while time.monotonic() < began + ASKING_S:
                answer = await two.one.post("/v1/chat/completions", json=body)
                asked += answer.status_code == 200
            return asked

        asked = sum(await asyncio.gather(*(ask() for _ in range(8))))
        busy = (_cpu_s(two.controller) - before_s) / (time.monotonic() - began)
    assert asked > 50
    assert busy < 0.1, "each of them is two changes of the worker's load"


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
