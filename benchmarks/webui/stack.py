"""The app server with its pages, in front of a gateway whose words are known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
from pydantic import SecretStr

from benchmarks.gateway.messages import Listening
from benchmarks.gateway.process import ProcessError, running
from benchmarks.webui.scripted import MODEL
from benchmarks.webui.served import WebProcess
from server.core.ids import new_secret

START_S = 30.0


@asynccontextmanager
async def served(web_folder: Path, folder: Path) -> AsyncIterator[str]:
    """The address of the pages; `folder` is for logs and the database."""
    async with (
        running("gateway", "benchmarks.webui.scripted", folder) as gateway,
        running("api", "benchmarks.webui.served", folder) as app,
    ):
        address = Listening.model_validate_json(await gateway.hear(START_S)).address
        settings = WebProcess(
            name="api",
            secret=SecretStr(new_secret()),
            gateway_url=address,
            database=f"sqlite+aiosqlite:///{folder}/chat.db",
            expected_models=(MODEL,),
            web_folder=str(web_folder),
        )
        app.say(settings.model_dump_json())
        while True:
            report = orjson.loads(await app.hear(START_S))
            if report.get("state") == "failed":
                raise ProcessError(f"api: {report['detail']}")
            if report.get("state") == "ready":
                yield str(report["address"])
                return
