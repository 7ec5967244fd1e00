"""One local worker with the bundled model, started as the launcher starts it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from pydantic import SecretStr

from benchmarks.gateway.process import Process, ProcessError, running
from server.core.ids import new_secret
from server.core.settings import ControllerSettings, ModelSettings
from server.wire.process import ControllerProcess, ModelWorkerProcess, Report, RoleSettings

START_S = 60.0
SLOTS = 4
MODEL = ModelSettings(
    name="shortline-mini",
    path="bundled:shortline-mini",
    engine="transformers",
    device="cpu",
    threads=1,
    slots=SLOTS,
    context_length=640,
)


async def start_worker(folder: Path, exits: AsyncExitStack) -> tuple[str, SecretStr]:
    """Its address and the fleet's secret; it beats at a controller. Raises `ProcessError`."""
    secret = SecretStr(new_secret())
    controller = await _start(
        "server.controller",
        ControllerProcess(name="controller", secret=secret, controller=ControllerSettings(port=0)),
        folder,
        exits,
    )
    worker = ModelWorkerProcess(
        name="model_worker", secret=secret, controller_url=controller, model=MODEL
    )
    return await _start("server.worker.local", worker, folder, exits), secret


async def _start(module: str, settings: RoleSettings, folder: Path, exits: AsyncExitStack) -> str:
    process: Process = await exits.enter_async_context(running(settings.name, module, folder))
    process.say(settings.model_dump_json())
    while True:
        report = Report.model_validate_json(await process.hear(START_S))
        if report.state == "failed":
            raise ProcessError(f"{settings.name}: {report.detail}")
        if report.state == "ready":
            return report.address
