"""A WebSocket when one of its ends dies: real processes, as they are."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response
from websockets.exceptions import ConnectionClosed

from server.core.settings import ControllerSettings, GatewaySettings, ModelSettings
from server.gateway.ours import NUMBERS
from server.wire.fleet import SECRET_HEADER
from server.wire.process import ControllerProcess, GatewayProcess, ModelWorkerProcess
from server.wire.sight import GatewayNumbers
from tests.fakes.controller import SECRET
from tests.fakes.fastchat_processes import Processes, processes

pytestmark = [pytest.mark.anyio, pytest.mark.system, pytest.mark.slow]

WORDS = 150
"""20 ms each."""
CREATE = {"type": "response.create", "model": "echo", "input": "word " * WORDS, "store": False}
CLIENT = """
import json, sys
from websockets.sync.client import connect
with connect(sys.argv[1], proxy=None) as client:
    client.send(sys.argv[2])
    for said in client:
        if json.loads(said)["type"] == "response.output_text.delta":
            print("begun", flush=True)
"""


@dataclass(slots=True)
class Fleet:
    started: Processes
    address: str

    async def running(self) -> int:
        """Requests at the worker."""
        inside = {SECRET_HEADER: SECRET.get_secret_value()}
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"{self.address}{NUMBERS}", headers=inside)
        (worker,) = GatewayNumbers.model_validate_json(answer.content).workers
        return worker.running


@asynccontextmanager
async def fleet() -> AsyncIterator[Fleet]:
    async with processes() as started:
        controller = await started.ours(
            "server.controller",
            ControllerProcess(name="controller", secret=SECRET, controller=ControllerSettings()),
        )
        model = ModelSettings(name="echo", path="echo", engine="echo", options={"delay_ms": 20})
        await started.ours(
            "server.worker.local",
            ModelWorkerProcess(
                name="worker", secret=SECRET, controller_url=controller, model=model
            ),
        )
        settings = GatewayProcess(
            name="gateway",
            secret=SECRET,
            controller_url=controller,
            gateway=GatewaySettings(),
            expected_models=("echo",),
        )
        address = await started.ours("server.gateway", settings)

        async def is_ready() -> bool:
            async with httpx.AsyncClient(trust_env=False) as http:
                return (await http.get(f"{address}/readyz")).status_code == 200

        await started.until("gateway", is_ready)
        yield Fleet(started, address)


async def test_a_client_that_is_killed_in_mid_answer_stops_the_model() -> None:
    async with fleet() as made:
        url = made.address.replace("http", "ws") + "/v1/responses"
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CLIENT, url, json.dumps(CREATE)), stdout=asyncio.subprocess.PIPE
        )
        assert client.stdout is not None
        assert await asyncio.wait_for(client.stdout.readline(), 20) == b"begun\n"
        assert await made.running() == 1
        client.kill()
        await client.wait()
        async with asyncio.timeout(1):  # the whole answer takes three seconds
            while await made.running():  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)


async def test_a_gateway_that_is_told_to_stop_ends_the_answer_and_then_the_connection() -> None:
    async with (
        fleet() as made,
        AsyncOpenAI(base_url=f"{made.address}/v1", api_key="none") as client,
    ):
        async with client.responses.connect() as connection:
            await connection.response.create(model="echo", input="word " * WORDS, store=False)
            async for event in connection:
                if event.type == "response.output_text.delta":
                    break
            made.started.running["gateway"].send_signal(signal.SIGTERM)
            last: Response | None = None
            async for event in connection:
                if event.type == "response.completed":
                    last = event.response
                    break
            assert last is not None
            assert last.output_text.count("word") == WORDS
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
        assert await made.started.running["gateway"].wait() == 0
