"""A local worker on a free port, without a launcher, and without a controller unless told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from server.core.settings import ModelSettings
from server.web.drain import Drain
from server.wire.fleet import SECRET_HEADER
from server.wire.process import ModelWorkerProcess
from server.worker.engine import Load
from server.worker.engines import load_engine
from server.worker.local.app import create_app
from tests.fakes.engines import Said
from tests.fakes.live_server import live_server

SECRET = SecretStr("a-secret-of-the-fleet-for-tests-0123")
NOBODY = "http://127.0.0.1:9"
ECHO = ModelSettings(name="echo", path="none", engine="echo")


@dataclass(frozen=True, slots=True)
class Worker:
    url: str
    http: httpx.AsyncClient
    """Brings the secret."""
    drain: Drain
    said: Said
    """To its launcher."""

    async def chat(self, **fields: Any) -> httpx.Response:
        body = {"model": "echo", "messages": [{"role": "user", "content": "one two three"}]}
        return await self.http.post("/v1/chat/completions", json=body | fields)

    async def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = (await self.http.get("/worker/stats")).json()
        return stats


@asynccontextmanager
async def local_worker(
    model: ModelSettings = ECHO,
    *,
    load: Load = load_engine,
    controller_url: str = NOBODY,
    draining: bool = False,
    secret: SecretStr = SECRET,
) -> AsyncIterator[Worker]:
    settings = ModelWorkerProcess(
        name="worker",
        secret=secret,
        controller_url=controller_url,
        model=model,
        draining=draining,
    )
    drain, said = Drain(), Said()
    app = create_app(settings, drain, said, "http://127.0.0.1:1", load=load)
    async with live_server(app) as url:
        headers = {SECRET_HEADER: secret.get_secret_value()}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
            yield Worker(url, http, drain, said)
