"""The controller as it is, on a free port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from server.controller.app import create_app
from server.controller.registry import Registry
from server.core.clock import SystemClock
from server.core.settings import ControllerSettings
from server.web.drain import Drain
from server.wire.process import ControllerProcess
from tests.fakes.live_server import live_server

SECRET = SecretStr("a-secret-of-the-fleet-for-tests-0123")


@dataclass(frozen=True, slots=True)
class Controller:
    url: str
    registry: Registry
    drain: Drain


@asynccontextmanager
async def controller(
    *fastchat_workers: str, closed: bool = False, wake_s: float = 10.0
) -> AsyncIterator[Controller]:
    """`fastchat_workers`: `host:port` of those that need no secret."""
    settings = ControllerProcess(
        name="controller",
        secret=SECRET,
        controller=ControllerSettings(fastchat_workers=fastchat_workers),
        closed=closed,
        wake_s=wake_s,
    )
    registry = Registry(SystemClock())
    drain = Drain()
    async with live_server(create_app(settings, drain, registry=registry)) as url:
        try:
            yield Controller(url, registry, drain)
        finally:
            drain.begun.set()
