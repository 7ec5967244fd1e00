from __future__ import annotations

import asyncio
from typing import Any

from server.core.settings import ModelSettings
from server.worker.asked import Form
from server.worker.engine import Say
from server.worker.engines.echo import EchoEngine
from tests.fakes.waiting import until
from tests.fakes.worker import ECHO, local_worker

SCHEMA = {"name": "n", "schema": {"type": "boolean"}}
FORMED: dict[str, Any] = {"response_format": {"type": "json_schema", "json_schema": SCHEMA}}


class Learning(EchoEngine):
    """Learns slowly."""

    def __init__(self) -> None:
        super().__init__()
        self.learning = 0
        self.learnt = asyncio.Event()

    async def learn(self, form: Form) -> None:
        self.learning += 1
        await self.learnt.wait()


async def test_schemas_that_are_looked_at_hold_nobody_up() -> None:
    engine = Learning()

    def load(settings: ModelSettings, say: Say) -> Learning:
        return engine

    settings = ECHO.model_copy(update={"slots": 1, "queue": 0})
    async with local_worker(settings, load=load) as worker:
        formed = [asyncio.create_task(worker.chat(**FORMED)) for _ in range(3)]
        body = {"model": "echo", "prompt": "x", **FORMED}
        formed.append(asyncio.create_task(worker.http.post("/v1/completions", json=body)))
        await until(lambda: engine.learning == len(formed))
        plain = await worker.chat()
        assert plain.status_code == 200
        assert (await worker.stats())["running"] == 0
        engine.learnt.set()
        refused = {(await one).status_code for one in formed}
        assert refused <= {400, 429}, "this engine keeps to no form, and has one slot"
