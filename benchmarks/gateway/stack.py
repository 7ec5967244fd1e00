"""Our own processes, started as the launcher starts them."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from time import perf_counter

import httpx
from pydantic import SecretStr

from benchmarks.gateway.answers import MODEL
from benchmarks.gateway.process import Process, ProcessError, running
from server.clients.fleet import ControllerClient
from server.core.ids import new_secret
from server.core.provider_settings import ProviderSettings
from server.core.settings import ControllerSettings, GatewaySettings
from server.wire.fleet import Load, Registration
from server.wire.process import (
    ControllerProcess,
    GatewayProcess,
    OnlineWorkerProcess,
    Report,
    RoleSettings,
)
from server.worker.heart import Heart

START_S = 30.0
_LOOK_S = 0.05
SLOTS = 1024
"""Of the worker: more than there are clients, so that nobody waits for one."""


class Stack:
    """Controller and gateways in front of `upstream`, with an online worker or without.

    `key`: the only API key that a gateway accepts; none: it asks for none. So many `gateways` share
    one port.
    """

    def __init__(
        self,
        upstream: str,
        logs: Path,
        exits: AsyncExitStack,
        *,
        key: str = "",
        gateways: int = 1,
    ) -> None:
        self._upstream = upstream
        self._logs = logs
        self._exits = exits
        self._key = key
        self._gateways = gateways
        self._secret = SecretStr(new_secret())
        self.ready_s: dict[str, float] = {}
        """From the start of a process to its report that it is ready, by role."""

    async def start(self) -> tuple[str, dict[str, Process]]:
        """The gateway's address, and the processes whose cost counts, by role; with an online
        worker in front of the upstream."""
        address, processes = await self._start_gateways()
        worker, _ = await self._start("server.worker.online", self._worker())
        await self._until_served(address)
        return address, {**processes, "worker": worker}

    async def start_alone(self) -> tuple[str, dict[str, Process]]:
        """The same without: the upstream itself joins the fleet, and we beat for it."""
        address, processes = await self._start_gateways()
        registration = Registration(address=self._upstream, models=(MODEL,), slots=SLOTS)
        heart = Heart(ControllerClient(self._controller_url, self._secret), registration, Load)
        await self._exits.enter_async_context(heart.beating(asyncio.Event()))
        await self._until_served(address)
        return address, processes

    async def _start_gateways(self) -> tuple[str, dict[str, Process]]:
        controller, self._controller_url = await self._start(
            "server.controller", self._controller()
        )
        processes = {"controller": controller}
        port = _free_port() if self._gateways > 1 else 0
        for number in range(1, self._gateways + 1):
            role = "gateway" if number == 1 else f"gateway {number}"
            begun_s = perf_counter()
            processes[role], address = await self._start("server.gateway", self._gateway(port))
            self.ready_s.setdefault("gateway", perf_counter() - begun_s)
        return address, processes

    def _controller(self) -> ControllerProcess:
        return ControllerProcess(
            name="controller",
            secret=self._secret,
            log_level="info",
            controller=ControllerSettings(),
        )

    def _gateway(self, port: int) -> GatewayProcess:
        keys = (SecretStr(self._key),) if self._key else ()
        return GatewayProcess(
            name="openai_api",
            secret=self._secret,
            controller_url=self._controller_url,
            port=port,
            shared_port=self._gateways > 1,
            gateway=GatewaySettings(api_keys=keys, workers=self._gateways),
            expected_models=(MODEL,),
        )

    def _worker(self) -> OnlineWorkerProcess:
        provider = ProviderSettings.model_validate(
            {"name": "fake", "base_url": f"{self._upstream}/v1", "models": [MODEL], "slots": SLOTS}
        )
        return OnlineWorkerProcess(
            name="online_api fake",
            secret=self._secret,
            controller_url=self._controller_url,
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

    async def _until_served(self, address: str) -> None:
        """Wait until the gateway offers the model. Raises `ProcessError`."""
        headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
        url = f"{address}/v1/models/{MODEL}"
        async with httpx.AsyncClient(trust_env=False, headers=headers) as http:
            for _ in range(round(START_S / _LOOK_S)):
                if (await http.get(url)).status_code == 200:
                    return
                await asyncio.sleep(_LOOK_S)
        raise ProcessError(f"the gateway does not offer {MODEL!r}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
