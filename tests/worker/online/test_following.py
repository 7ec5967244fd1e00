"""A joined server that comes and goes, and models that do."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from server.clients.servers.found import Kind
from server.core.provider_settings import ProviderSettings
from server.web.drain import Drain
from server.wire.fleet import SECRET_HEADER, WorkerRef, WorkerView
from server.wire.process import OnlineWorkerProcess, Report
from server.worker.online import discovery, following
from server.worker.online.app import create_app
from tests.fakes.controller import SECRET, Controller, controller
from tests.fakes.live_server import live_server
from tests.fakes.servers import FakeServer
from tests.fakes.upstream import says, upstream, whole
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio

ADDRESS = "http://127.0.0.1:30009"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FOLLOW_S", 0.02)
    monkeypatch.setattr(following, "ABSENT_S", 0.05)
    monkeypatch.setattr(discovery, "RETRY_MIN_S", 0.02)


class Started:
    def __init__(self, fleet: Controller, http: httpx.AsyncClient, reports: list[Report]) -> None:
        self.fleet = fleet
        self.http = http
        self.reports = reports

    def workers(self) -> tuple[WorkerView, ...]:
        return self.fleet.registry.view().workers

    def models(self) -> list[str]:
        return [model for worker in self.workers() for model in worker.models]


@asynccontextmanager
async def started(url: str, **more: object) -> AsyncIterator[Started]:
    reports: list[Report] = []
    provider = {"name": "gpu", "base_url": f"{url}/v1", "server": True, "abilities": ()} | more
    async with controller() as fleet:
        settings = OnlineWorkerProcess(
            name="online_api gpu",
            secret=SECRET,
            controller_url=fleet.url,
            provider=ProviderSettings.model_validate(provider),
        )
        drain = Drain()
        app = create_app(settings, drain, reports.append, ADDRESS)
        headers = {SECRET_HEADER: SECRET.get_secret_value()}
        async with (
            live_server(app) as base,
            httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as http,
        ):
            yield Started(fleet, http, reports)
            drain.begun.set()


async def test_models_that_appear_and_vanish_do_so_here_without_a_moment_without_the_others() -> (
    None
):
    fake = FakeServer("vllm", ["a"])
    async with upstream(fake.script) as server, started(server.url) as worker:
        await until(lambda: worker.models() == ["a"])
        first = worker.workers()[0]
        assert (first.server, first.context_length, first.facts) == ("vllm 0.11.0", 4096, {})
        assert first.abilities == ("chat", "completions")
        seen: list[list[str]] = []

        def sees(*models: str) -> bool:
            seen.append(worker.models())
            return seen[-1] == [*models]

        fake.models = ["a", "lora"]
        await until(lambda: sees("a", "lora"))
        fake.models = ["lora"]
        await until(lambda: sees("lora"))
        assert [] not in seen
        answer = await worker.http.post(
            "/v1/chat/completions", json={"model": "lora", "messages": []}
        )
        assert answer.json()["choices"][0]["message"]["content"] == "I am lora"


async def test_each_model_is_asked_only_for_what_it_can_do() -> None:
    fake = FakeServer("ollama", ["a", "embed"])
    async with upstream(fake.script) as server, started(server.url) as worker:
        await until(lambda: worker.models() == ["a", "embed"])
        view = worker.workers()[0]
        assert view.abilities == ("chat", "completions", "embeddings")
        assert view.abilities_of("a") == ("chat", "completions")
        assert view.abilities_of("embed") == ("embeddings",)
        assert (view.context_of("a"), view.context_of("embed")) == (8192, 2048)


async def test_what_the_settings_say_of_its_abilities_counts() -> None:
    fake = FakeServer("openai")
    more = {"abilities": ["embeddings"]}
    async with upstream(fake.script) as server, started(server.url, **more) as worker:
        await until(lambda: worker.models() == ["m"])
        assert worker.workers()[0].abilities == ("embeddings",)


async def test_a_server_that_goes_away_leaves_and_joins_again_when_it_is_back() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fake = FakeServer("vllm")
    async with started(f"http://127.0.0.1:{port}") as worker:
        assert "cannot be reached" in worker.reports[0].detail
        assert worker.models() == []
        for _ in range(2):
            fake.gone = False
            async with upstream(fake.script, port) as server:
                await until(lambda: worker.models() == ["m"])
                assert (await worker.http.get("/readyz")).status_code == 200
                fake.gone = True
                server.stop()
            await until(lambda: worker.models() == [])
            assert (await worker.http.get("/readyz")).status_code == 503
            ask = {"model": "m", "messages": []}
            answer = await worker.http.post("/v1/chat/completions", json=ask)
            assert answer.status_code == 503


async def test_one_that_is_late_now_and_then_stays_and_one_that_fails_for_long_leaves() -> None:
    fake = FakeServer("vllm")
    async with upstream(fake.script) as server, started(server.url) as worker:
        await until(lambda: worker.models() == ["m"])
        asked = len(fake.asked)
        fake.status = "503 Service Unavailable"
        await until(lambda: len(fake.asked) >= asked + following.MISSES - 1)
        fake.status = ""
        await until(lambda: len(fake.asked) >= asked + 5)
        assert worker.models() == ["m"]
        fake.status = "503 Service Unavailable"
        await until(lambda: worker.models() == [])


async def test_a_drained_one_comes_back_drained() -> None:
    fake = FakeServer("vllm")
    async with upstream(fake.script) as server, started(server.url) as worker:
        await until(lambda: worker.models() == ["m"])
        worker.fleet.registry.drain(WorkerRef(address=ADDRESS))
        await until(lambda: worker.workers()[0].state == "draining")
        fake.models = ["m", "n"]
        await until(lambda: worker.models() == ["m", "n"])
        assert worker.workers()[0].state == "draining"


async def test_a_change_is_no_new_worker() -> None:
    fake = FakeServer("vllm")
    async with upstream(fake.script) as server, started(server.url) as worker:
        await until(lambda: worker.models() == ["m"])
        generation = worker.workers()[0].generation
        fake.models = ["m", "n"]
        await until(lambda: worker.models() == ["m", "n"])
        assert worker.workers()[0].generation == generation


async def test_our_own_gateway_is_waited_for_and_never_joined() -> None:
    own = says(whole(b'{"error": {"code": "own_gateway"}}', "409 Conflict"))
    async with upstream(own) as server, started(server.url) as worker:
        assert "in a circle" in worker.reports[0].detail
        assert worker.models() == []


@pytest.mark.parametrize(
    ("kind", "name"), [("vllm", "x-request-id"), ("openai", "x-client-request-id")]
)
async def test_a_server_is_told_the_requests_id_in_a_header_that_it_takes(
    kind: Kind, name: str
) -> None:
    """One that nobody knows may refuse what is no UUID, as llama-cpp-python's does."""
    fake = FakeServer(kind, ["a"])
    async with upstream(fake.script) as server, started(server.url) as worker:
        await until(lambda: worker.models() == ["a"])
        ask = {"model": "a", "messages": [{"role": "user", "content": "x"}]}
        headers = {"x-request-id": "req-mine"}
        answer = await worker.http.post("/v1/chat/completions", json=ask, headers=headers)
        assert answer.status_code == 200, answer.text
        asked = next(one for one in server.received if one.head.startswith(b"POST"))
        told = {one: asked.header(one) for one in ("x-request-id", "x-client-request-id")}
        assert told == dict.fromkeys(told) | {name: "req-mine"}
