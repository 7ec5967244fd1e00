"""The lane, the deadline and the customer of a request, from its headers to the engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from server.core.settings import ModelSettings
from server.wire.fleet import CUSTOMER_HEADER, DEADLINE_HEADER
from server.wire.lanes import PRIORITY_HEADER, Lane
from server.worker.asked import Ask, Delta, Embedded, Prepared, Reranked
from server.worker.engines.echo import EchoEngine
from tests.fakes.worker import ECHO, Worker, local_worker

CHAT = "/v1/chat/completions"
ASKED: dict[str, dict[str, Any]] = {
    CHAT: {"model": "echo", "messages": [{"role": "user", "content": "one"}]},
    "/v1/completions": {"model": "echo", "prompt": "one"},
    "/v1/embeddings": {"model": "echo", "input": "one"},
    "/v1/rerank": {"model": "echo", "query": "one", "documents": ["one"]},
    "/worker_generate": {"prompt": "one"},
    "/worker_generate_stream": {"prompt": "one"},
    "/worker_get_embeddings": {"input": ["one"]},
}
LONG = {"messages": [{"role": "user", "content": "word " * 3000}]}
IDLE = {"running": 0, "waiting": 0, "by_gateway": {}, "by_lane": {}}


class Noting(EchoEngine):
    """Remembers the lanes it was asked in, and for whom."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes: list[Lane] = []
        self.customers: list[str] = []

    async def generate(self, prepared: Prepared, ask: Ask) -> AsyncGenerator[Delta, None]:
        self.lanes.append(ask.lane)
        self.customers.append(ask.customer)
        async for delta in super().generate(prepared, ask):
            yield delta

    async def embed(
        self,
        inputs: Sequence[str | tuple[int, ...]],
        dimensions: int | None = None,
        *,
        lane: Lane = "normal",
        customer: str = "",
    ) -> Embedded:
        self.lanes.append(lane)
        self.customers.append(customer)
        return await super().embed(inputs, dimensions)

    async def rerank(
        self,
        query: str,
        documents: Sequence[str],
        max_tokens_per_doc: int | None = None,
        *,
        lane: Lane = "normal",
        customer: str = "",
    ) -> Reranked:
        self.lanes.append(lane)
        self.customers.append(customer)
        return await super().rerank(query, documents)


def slow(delay_ms: int, slots: int = 1) -> ModelSettings:
    return ECHO.model_copy(update={"options": {"delay_ms": delay_ms}, "slots": slots})


@pytest.fixture
async def stuck() -> AsyncIterator[Worker]:
    async with local_worker(slow(60_000)) as worker:
        yield worker


async def becomes(worker: Worker, **wanted: object) -> None:
    async with asyncio.timeout(5):
        while not wanted.items() <= (await worker.stats()).items():  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.01)


async def asked(worker: Worker, lane: Lane) -> asyncio.Task[httpx.Response]:
    headers = {PRIORITY_HEADER: lane}
    task = asyncio.create_task(worker.http.post(CHAT, json=ASKED[CHAT], headers=headers))
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("path", ASKED)
async def test_the_engine_is_told_the_lane(path: str) -> None:
    engine = Noting()
    async with local_worker(load=lambda _settings, _say: engine) as worker:
        await worker.http.post(path, json=ASKED[path], headers={PRIORITY_HEADER: "Batch"})
        await worker.http.post(path, json=ASKED[path])
    assert engine.lanes == ["batch", "normal"]


@pytest.mark.parametrize("path", [path for path in ASKED if path.startswith("/v1")])
async def test_the_engine_is_told_whose_it_is(path: str) -> None:
    engine = Noting()
    async with local_worker(load=lambda _settings, _say: engine) as worker:
        await worker.http.post(path, json=ASKED[path], headers={CUSTOMER_HEADER: "key_1"})
        await worker.http.post(path, json=ASKED[path])
    assert engine.customers == ["key_1", ""]


async def test_who_comes_into_a_full_line_takes_a_place_of_who_has_the_most() -> None:
    settings = slow(60_000).model_copy(update={"queue": 2})
    async with local_worker(settings) as worker:

        def ask(customer: str) -> asyncio.Task[httpx.Response]:
            headers = {CUSTOMER_HEADER: customer}
            return asyncio.create_task(worker.http.post(CHAT, json=ASKED[CHAT], headers=headers))

        tasks = []
        for waiting in range(3):
            tasks.append(ask("flood"))
            await becomes(worker, running=1, waiting=waiting)
        tasks.append(ask("quiet"))
        refused = await asyncio.wait_for(tasks.pop(2), 5)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        await becomes(worker, running=1, waiting=2, cancelled=0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.mark.parametrize(
    ("name", "word", "code"),
    [
        (PRIORITY_HEADER, "urgent", "invalid_priority"),
        (DEADLINE_HEADER, "soon", "invalid_deadline"),
    ],
)
async def test_what_cannot_be_read_is_a_bad_request(name: str, word: str, code: str) -> None:
    async with local_worker() as worker:
        for path in (path for path in ASKED if path.startswith("/v1")):
            answer = await worker.http.post(path, json=ASKED[path], headers={name: word})
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
        answer = await worker.http.post(
            "/worker_generate", json=ASKED["/worker_generate"], headers={name: word}
        )
        assert (answer.status_code, answer.json()["error_code"]) == (200, 40001)
        assert (await worker.stats())["cancelled"] == 0


async def test_batch_waits_beside_the_slot_that_an_interactive_request_gets() -> None:
    async with local_worker(slow(60_000, slots=2)) as worker:
        tasks = [await asked(worker, "batch"), await asked(worker, "batch")]
        await becomes(worker, running=1, waiting=1, by_lane={"batch": 1})
        tasks.append(await asked(worker, "interactive"))
        await becomes(worker, running=2, waiting=1)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await becomes(worker, **IDLE, cancelled=3)


async def test_batch_that_waits_has_to_go_when_the_line_is_full() -> None:
    settings = slow(60_000).model_copy(update={"queue": 2})
    async with local_worker(settings) as worker:
        tasks: list[asyncio.Task[httpx.Response]] = []
        lanes: tuple[Lane, ...] = ("normal", "batch", "normal")
        for waiting, lane in enumerate(lanes):
            tasks.append(await asked(worker, lane))
            await becomes(worker, running=1, waiting=waiting)
        tasks.append(await asked(worker, "interactive"))
        refused = await asyncio.wait_for(tasks.pop(1), 5)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        await becomes(worker, running=1, by_lane={"interactive": 1, "normal": 1}, cancelled=0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.mark.parametrize("stream", [False, True])
async def test_time_that_is_up_before_the_first_token_is_a_504(stuck: Worker, stream: bool) -> None:
    body, headers = ASKED[CHAT] | {"stream": stream}, {DEADLINE_HEADER: "50"}
    answer = await stuck.http.post(CHAT, json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
    await becomes(stuck, **IDLE, cancelled=1)


async def test_time_that_is_up_in_line_frees_the_place_in_it(stuck: Worker) -> None:
    first = await asked(stuck, "normal")
    await becomes(stuck, running=1)
    answer = await stuck.http.post(CHAT, json=ASKED[CHAT], headers={DEADLINE_HEADER: "50"})
    assert answer.status_code == 504
    await becomes(stuck, running=1, waiting=0, cancelled=1)
    first.cancel()
    await asyncio.wait([first])


async def test_time_that_was_up_on_arrival_takes_no_slot(stuck: Worker) -> None:
    answer = await stuck.http.post(CHAT, json=ASKED[CHAT], headers={DEADLINE_HEADER: "-3"})
    assert answer.status_code == 504
    await becomes(stuck, **IDLE, cancelled=0, generated=0)


async def test_time_that_is_up_in_a_stream_ends_it_with_an_error_and_stops_the_model() -> None:
    async with local_worker(slow(5)) as worker:
        body = ASKED[CHAT] | LONG | {"stream": True}
        answer = await worker.http.post(CHAT, json=body, headers={DEADLINE_HEADER: "300"})
        assert answer.status_code == 200
        *_, last = answer.content.split(b"\n\n")[:-1]
        assert last.startswith(b"event: error\n")
        assert b"upstream_timeout" in last
        assert b"[DONE]" not in answer.content
        await becomes(worker, **IDLE, cancelled=1)
        assert (await worker.stats())["generated"] < 100


async def test_fastchats_clients_are_told_of_it_too(stuck: Worker) -> None:
    path = "/worker_generate"
    answer = await stuck.http.post(path, json=ASKED[path], headers={DEADLINE_HEADER: "50"})
    assert (answer.status_code, answer.json()["error_code"]) == (200, 50001)
    assert "too long" in answer.json()["text"]


async def test_what_was_generated_is_counted() -> None:
    async with local_worker() as worker:
        usage = (await worker.chat()).json()["usage"]
        assert (await worker.stats())["generated"] == usage["completion_tokens"] > 0
