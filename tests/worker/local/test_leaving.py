"""However a request ends, its slot comes back and the model stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from server.core.settings import ModelSettings
from server.wire.fleet import GATEWAY_HEADER
from tests.fakes.worker import Worker, local_worker

LONG = [{"role": "user", "content": "word " * 3000}]
BODY: dict[str, Any] = {"model": "echo", "messages": LONG}
SLOW = ModelSettings(
    name="echo", path="-", engine="echo", slots=1, queue=5, options={"delay_ms": 5}
)
STUCK = SLOW.model_copy(update={"options": {"delay_ms": 60_000}})


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with local_worker(SLOW) as worker:
        yield worker


async def becomes(worker: Worker, **wanted: object) -> None:
    """Wait until the stats say so."""
    async with asyncio.timeout(5):
        while not wanted.items() <= (await worker.stats()).items():  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.01)


async def asked(worker: Worker, **fields: object) -> asyncio.Task[httpx.Response]:
    """A request that runs, or waits."""
    task = asyncio.create_task(
        worker.http.post("/v1/chat/completions", json=BODY | fields, headers={GATEWAY_HEADER: "gw"})
    )
    await asyncio.sleep(0)
    return task


async def left(task: asyncio.Task[httpx.Response]) -> None:
    task.cancel()
    await asyncio.wait([task])


IDLE = {"running": 0, "waiting": 0, "by_gateway": {}}


async def test_a_stream_left_in_the_middle_stops(worker: Worker) -> None:
    url = "/v1/chat/completions"
    async with worker.http.stream("POST", url, json=BODY | {"stream": True}) as answer:
        await anext(answer.aiter_bytes())
    await becomes(worker, **IDLE, cancelled=1)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_before_the_first_token_frees_its_slot(stream: bool) -> None:
    async with local_worker(STUCK) as worker:
        task = await asked(worker, stream=stream)
        await becomes(worker, running=1, by_gateway={"gw": 1})
        await left(task)
        await becomes(worker, **IDLE, cancelled=1)


async def test_a_whole_answer_nobody_waits_for_stops(worker: Worker) -> None:
    task = await asked(worker)
    await becomes(worker, running=1)
    await left(task)
    await becomes(worker, **IDLE, cancelled=1)


async def test_leaving_the_line_frees_the_place_in_it(worker: Worker) -> None:
    first, second = await asked(worker), await asked(worker)
    await becomes(worker, running=1, waiting=1, by_gateway={"gw": 2})
    await left(second)
    await becomes(worker, running=1, waiting=0)
    await left(first)
    await becomes(worker, **IDLE)


async def test_the_next_in_line_runs_when_one_leaves(worker: Worker) -> None:
    first, second = await asked(worker), await asked(worker, max_tokens=2)
    await becomes(worker, running=1, waiting=1)
    await left(first)
    assert (await second).status_code == 200
    await becomes(worker, **IDLE)


async def test_a_server_that_must_end_cuts_a_stream_with_an_error(worker: Worker) -> None:
    url = "/v1/chat/completions"
    async with worker.http.stream("POST", url, json=BODY | {"stream": True}) as answer:
        pieces = answer.aiter_bytes()
        await anext(pieces)
        await worker.drain.finish(0.05)
        rest = b"".join([piece async for piece in pieces])
    assert b"event: error" in rest
    assert b"[DONE]" not in rest
    assert worker.drain.in_flight == 0


async def test_a_server_that_must_end_answers_503_before_the_first_token() -> None:
    async with local_worker(STUCK) as worker:
        task = await asked(worker)
        await becomes(worker, running=1)
        await worker.drain.finish(0.05)
        assert (await task).status_code == 503


async def test_a_refused_request_takes_no_slot(worker: Worker) -> None:
    assert (await worker.chat(max_tokens=10**6)).status_code == 400
    assert (await worker.chat(temperature=9)).status_code == 400
    await becomes(worker, **IDLE, cancelled=0)


async def test_a_whole_answer_that_ends_well_counts_as_no_cancel(worker: Worker) -> None:
    assert (await worker.chat()).status_code == 200
    assert (await worker.chat(stream=True)).status_code == 200
    await becomes(worker, **IDLE, cancelled=0, tokens_after_cancel=0)
