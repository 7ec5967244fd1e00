"""A provider that is not there yet, and what it may say when it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import gethostname

import httpx
import pytest
from pydantic import SecretStr

from server.clients.http import HTTPClient
from server.core.errors import StartError
from server.core.provider_settings import ProviderSettings
from server.web.drain import Drain
from server.wire.fleet import SECRET_HEADER
from server.wire.process import OnlineWorkerProcess, Report
from server.worker.online import discovery
from server.worker.online.app import create_app, origin_of
from server.worker.online.discovery import Names, until_found, upstream_names
from tests.fakes.controller import SECRET, Controller, controller
from tests.fakes.live_server import live_server
from tests.fakes.upstream import (
    LAST_CHUNK,
    Received,
    Script,
    Upstream,
    Writer,
    chunk,
    says,
    upstream,
    whole,
)
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio

ADDRESS = "http://127.0.0.1:30009"
MODELS = says(whole(json.dumps({"data": [{"id": "a"}, {"id": "b"}]}).encode()))
STARTING = says(whole(b"", "503 Service Unavailable"))
ASK = {"model": "a", "messages": []}


async def names_of(script: Script) -> Names:
    async with upstream(script) as fake:
        settings = ProviderSettings(name="acme", base_url=f"http://u:canary@{fake.url[7:]}/v1")
        http = HTTPClient()
        try:
            return await upstream_names(settings, http, origin_of(settings), ())
        finally:
            http.close()


async def test_each_model_has_the_name_that_the_provider_gives_it() -> None:
    assert await names_of(MODELS) == {"a": "a", "b": "b"}


@pytest.mark.parametrize(
    ("answer", "says_why"),
    [
        (whole(b"{}", "401 Unauthorized"), r"it refused our key \(401\)"),
        (whole(b"{}", "403 Forbidden"), r"it refused our key \(403\)"),
        (whole(b"{}", "500 Oops"), "it answered /models with 500"),
        (whole(b"<html>"), "does not list its models"),
        (whole(b'{"data": 7}'), "does not list its models"),
        (whole(b'{"data": []}'), "no models yet"),
        (whole(b'{"data": [{"id": 7}]}'), "no models yet"),
    ],
)
async def test_why_a_provider_tells_no_models_is_told_with_its_address(
    answer: bytes, says_why: str
) -> None:
    with pytest.raises(
        StartError, match=rf"acme at http://127\.0\.0\.1:\d+/v1: .*{says_why}"
    ) as told:
        await names_of(says(answer))
    assert "canary" not in str(told.value)


async def test_a_list_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "MAX_LIST_BYTES", 1000)
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with pytest.raises(StartError, match="no end"):
        await names_of(says(head + chunk(b" " * 2000) + LAST_CHUNK))


async def test_nobody_is_asked_any_more_once_we_stop() -> None:
    stopping, heard = asyncio.Event(), asyncio.Event()

    async def ask() -> Names:
        raise StartError("not there")

    asking = asyncio.create_task(until_found(ask, lambda why: heard.set(), stopping))
    await heard.wait()
    stopping.set()
    assert await asyncio.wait_for(asking, 0.5) is None


class Started:
    """An online worker of the fleet, and what it has reported."""

    def __init__(self, fleet: Controller, http: httpx.AsyncClient, reports: list[Report]) -> None:
        self.http = http
        self.reports = reports
        self._fleet = fleet

    def models(self) -> list[str]:
        return [model for worker in self._fleet.registry.view().workers for model in worker.models]

    def names(self) -> list[str]:
        return [worker.name for worker in self._fleet.registry.view().workers]

    def running(self) -> int:
        """As the controller was told."""
        return sum(worker.load.running for worker in self._fleet.registry.view().workers)

    async def status(self) -> int:
        return (await self.http.post("/v1/chat/completions", json=ASK)).status_code


@asynccontextmanager
async def started(fake: Upstream) -> AsyncIterator[Started]:
    reports: list[Report] = []
    async with controller() as fleet:
        settings = OnlineWorkerProcess(
            name="online_api acme",
            secret=SECRET,
            controller_url=fleet.url,
            provider=ProviderSettings(name="acme", base_url=fake.url),
            api_key=SecretStr("k"),
        )
        drain = Drain()
        app = create_app(settings, drain, reports.append, ADDRESS)
        headers = {SECRET_HEADER: SECRET.get_secret_value()}
        async with (
            live_server(app) as url,
            httpx.AsyncClient(base_url=url, headers=headers) as http,
        ):
            yield Started(fleet, http, reports)
            drain.begun.set()


async def test_a_worker_whose_provider_is_down_starts_and_joins_when_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(discovery, "RETRY_MIN_S", 0.02)
    async with upstream(STARTING) as fake, started(fake) as worker:
        assert "it answered /models with 503" in worker.reports[0].detail
        assert (await worker.http.get("/readyz")).status_code == 503
        assert await worker.status() == 503
        assert worker.models() == []
        fake.script = MODELS
        await until(lambda: worker.models() == ["a", "b"])
        assert [report.detail for report in worker.reports][1:] == [""]
        assert (await worker.http.get("/readyz")).status_code == 200
        assert await worker.status() == 200


async def test_a_provider_that_never_answers_does_not_hold_up_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.worker.online.app.FIRST_ANSWER_S", 0.05)
    async with upstream(says(b"")) as fake, started(fake) as worker:
        assert "no answer" in worker.reports[0].detail
        assert await worker.status() == 503


async def test_a_provider_that_is_there_has_joined_as_soon_as_the_worker_serves() -> None:
    async with upstream(MODELS) as fake, started(fake) as worker:
        assert [report.detail for report in worker.reports] == [""]
        await until(lambda: worker.models() == ["a", "b"])
        assert worker.names() == [f"online_api acme@{gethostname()}"]


async def test_the_controller_hears_of_a_request_when_it_comes_and_when_it_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("server.controller.fleet", "server.worker.heart"):
        monkeypatch.setattr(f"{module}.HEARTBEAT_S", 1_000.0)
    gate = asyncio.Event()
    async with upstream(MODELS) as fake, started(fake) as worker:
        await until(lambda: worker.models() == ["a", "b"])

        async def answer_late(_: Received, writer: Writer) -> None:
            await gate.wait()
            writer.write(whole(b"{}"))

        fake.script = answer_late
        asked = asyncio.create_task(worker.status())
        await until(lambda: worker.running() == 1)
        gate.set()
        assert await asked == 200
        await until(lambda: worker.running() == 0)
