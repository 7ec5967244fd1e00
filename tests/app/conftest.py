"""The app server on a real port, with a real store and a scripted gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from server.app.app import create_app
from server.core.settings import AppSettings, ChatSettings
from server.web.drain import Drain
from server.wire.process import AppProcess, Request
from tests.app.scripted_gateway import ScriptedGateway
from tests.fakes.live_server import live_server
from tests.fakes.upstream import upstream

SECRET = SecretStr("s" * 32)


@dataclass(slots=True)
class App:
    url: str
    client: httpx.AsyncClient
    gateway: ScriptedGateway
    drain: Drain
    stop_gateway: Callable[[], None]
    said: list[Request]

    async def ask(self, query: str = "Hi", **fields: object) -> httpx.Response:
        """A whole answer."""
        body = {"query": query, "stream": False} | fields
        return await self.client.post("/api/chat", json=body)


@asynccontextmanager
async def app_server(
    folder: Path,
    *,
    web: Path | None = None,
    controller_url: str = "",
    state_file: Path | None = None,
    chat: ChatSettings | None = None,
    expected: tuple[str, ...] = (),
    secret: SecretStr = SECRET,
) -> AsyncIterator[App]:
    gateway, drain, said = ScriptedGateway(), Drain(), list[Request]()
    async with upstream(gateway) as fake:
        settings = AppProcess(
            name="api",
            secret=secret,
            gateway_url=fake.url,
            controller_url=controller_url,
            state_file=str(state_file or ""),
            database=f"sqlite+aiosqlite:///{folder}/test.db",
            webui=web is not None,
            api=AppSettings(port=0),
            chat=chat or ChatSettings(),
            expected_models=expected,
        )

        def stop_gateway() -> None:
            fake.stop()
            gateway.hang_up()

        app = create_app(settings, drain, said.append, web_folder=web or folder)
        async with live_server(app) as url:
            async with httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as client:
                yield App(url, client, gateway, drain, stop_gateway, said)
            drain.begun.set()


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    async with app_server(tmp_path) as served:
        yield served
