"""Our own processes, started as the launcher starts them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
from pydantic import SecretStr

from benchmarks.gateway.answers import MODEL
from benchmarks.gateway.process import Process, ProcessError, running
from server.core.ids import new_secret
from server.core.provider_settings import ProviderSettings
from server.core.settings import ControllerSettings, GatewaySettings
from server.wire.process import (
    ControllerProcess,
    GatewayProcess,
    OnlineWorkerProcess,
    Report,
    RoleSettings,
)

START_S = 30.0
_LOOK_S = 0.05
SLOTS = 1024
"""Of the online worker: more than there are clients, so that nobody waits for one."""


class Stack:
    """Controller, gateway and one online worker in front of `upstream`."""

    def __init__(self, upstream: str, logs: Path, exits: AsyncExitStack) -> None:
        self._upstream = upstream
        self._logs = logs
        self._exits = exits
        self._secret = SecretStr(new_secret())

    async def start(self) -> tuple[str, dict[str, Process]]:
        """The gateway's address, and the processes whose cost counts, by role."""
        _, controller = await self._start("server.controller", self._controller())
        gateway, address = await self._start("server.gateway", self._gateway(controller))
        worker, _ = await self._start("server.worker.online", self._worker(controller))
        await _until_served(address)
        return address, {"gateway": gateway, "worker": worker}

    def _controller(self) -> ControllerProcess:
        return ControllerProcess(
            name="controller",
            secret=self._secret,
            log_level="info",
            controller=ControllerSettings(),
        )

    def _gateway(self, controller: str) -> GatewayProcess:
        return GatewayProcess(
            name="openai_api",
            secret=self._secret,
            controller_url=controller,
            gateway=GatewaySettings(),
            expected_models=(MODEL,),
        )

    def _worker(self, controller: str) -> OnlineWorkerProcess:
        provider = ProviderSettings.model_validate(
            {"name": "fake", "base_url": f"{self._upstream}/v1", "models": [MODEL], "slots": SLOTS}
        )
        return OnlineWorkerProcess(
            name="online_api fake",
            secret=self._secret,
            controller_url=controller,
            provider=provider,
        )

    async def _start(self, module: str, settings: RoleSettings) -> tuple[Process, str]:
        process = await self._exits.enter_async_context(running(settings.name, module, self._logs))
        process.say(settings.model_dump_json())
        while True:
            report = Report.model_validate_json(await process.hear(START_S))
            if report.state == "failed":
                raise ProcessError(f"{settings.name}: {report.detail}")
            if report.state == "ready":
                return process, report.address


async def _until_served(address: str) -> None:
    """Wait until the gateway offers the model. Raises `ProcessError`."""
    async with httpx.AsyncClient(trust_env=False) as http:
        for _ in range(round(START_S / _LOOK_S)):
            if (await http.get(f"{address}/v1/models/{MODEL}")).status_code == 200:
                return
            await asyncio.sleep(_LOOK_S)
    raise ProcessError(f"the gateway does not offer {MODEL!r}")
