"""More than can be served, all at once: who is let in is served, and the rest are told so."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import monotonic

import pytest

from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.core.limits import RETRY_RESERVE, RETRY_SHARE
from server.web.asgi import JSON
from server.wire.fleet import DEADLINE_HEADER
from tests.fakes.upstream import Received, Writer, says, upstream, whole
from tests.fakes.waiting import until
from tests.gateway.conftest import Served, gateway, view

CHAT = "/v1/chat/completions"
GOOD = says(whole(b'{"choices":[]}'))
FAILING = says(whole(b'{"error":{}}', "503 Service Unavailable"))
CROWD = 500
CAPACITY = 8


class Held:
    """Answers nobody until `free` is set."""

    def __init__(self) -> None:
        self.free = asyncio.Event()

    async def __call__(self, request: Received, writer: Writer) -> None:
        await self.free.wait()
        await GOOD(request, writer)


@dataclass(frozen=True, slots=True)
class Told:
    status: int
    retry_after: int | None
    """Seconds."""


async def ask_once(served: Served, client: HTTPClient, body: bytes) -> Told:
    origin = Origin.parse(served.url)
    async with client.request(origin, CHAT.encode(), body, [JSON]) as answer:
        while await answer.chunk():
            pass
        after = answer.header(b"retry-after")
        return Told(answer.status, None if after is None else int(after))


async def ask_at_once(served: Served, ask: dict[str, object], count: int) -> list[Told]:
    client, body = HTTPClient(), json.dumps(ask).encode()
    try:
        return await asyncio.gather(*(ask_once(served, client, body) for _ in range(count)))
    finally:
        client.close()


async def test_of_a_crowd_those_let_in_are_served_and_the_rest_need_not_wait(
    ask: dict[str, object],
) -> None:
    """They are refused while all places are taken, and nobody has been served."""
    held, client, told = Held(), HTTPClient(), Counter[int]()

    async def one() -> Told:
        answer = await ask_once(served, client, json.dumps(ask).encode())
        told[answer.status] += 1
        return answer

    async with upstream(held) as a, upstream(held) as b:
        async with gateway(view(a.url), view(b.url)) as served:
            crowd = asyncio.gather(*(one() for _ in range(CROWD)))
            await until(lambda: told[429] == CROWD - CAPACITY, limit_s=30)
            assert told.total() == told[429]
            held.free.set()
            answers = await crowd
            client.close()
            assert told == {200: CAPACITY, 429: CROWD - CAPACITY}
            assert all(answer.retry_after for answer in answers if answer.status == 429)
            assert len(a.received) == len(b.received) == CAPACITY // 2
            assert set(served.fleet.in_flight().values()) == {0}
            again = await ask_at_once(served, ask, CAPACITY)
            assert {answer.status for answer in again} == {200}


async def test_a_hundred_clients_of_failing_workers_make_no_storm_of_retries(
    ask: dict[str, object],
) -> None:
    turns = iter(range(100_000))

    async def flaky(request: Received, writer: Writer) -> None:
        await (FAILING if next(turns) % 3 else GOOD)(request, writer)

    rounds, clients = 8, 100
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(upstream(flaky)) for _ in range(3)]
        views = [view(w.url, slots=64, queue=64) for w in workers]
        served = await stack.enter_async_context(gateway(*views))
        ends: Counter[int] = Counter()
        for _ in range(rounds):
            ends.update(a.status for a in await ask_at_once(served, ask, clients))
        assert ends.keys() <= {200, 503}
        assert ends.total() == rounds * clients
        sent = sum(len(worker.received) for worker in workers)
        assert sent <= rounds * clients * (1 + RETRY_SHARE) + RETRY_RESERVE


async def test_of_all_that_wait_for_a_dead_worker_one_tries_whether_it_lives(
    ask: dict[str, object],
) -> None:
    async with upstream(GOOD) as gone:
        port = gone.origin.port
        gone.stop()
        async with gateway(view(gone.url, slots=64)) as served:
            answers = await ask_at_once(served, ask, 20)
            assert {answer.status for answer in answers} == {503}
            assert {answer.retry_after for answer in answers} <= {1, 2}
            [worker] = served.fleet.workers()
            held = Held()
            async with upstream(held, port) as back:
                await until(lambda: worker.breaker_of("m").lets(asyncio.get_running_loop().time()))
                crowd = asyncio.create_task(ask_at_once(served, ask, 50))
                await until(lambda: back.received)
                await asyncio.sleep(0.3)
                assert len(back.received) == 1
                held.free.set()
                ends = Counter(a.status for a in await crowd)
                assert ends == {200: 1, 503: 49}
                assert worker.breaker_of("m").state(monotonic()) == "closed"
                assert {a.status for a in await ask_at_once(served, ask, 20)} == {200}


async def test_a_deadline_goes_on_to_the_worker_and_ends_the_answer_if_it_does_not(
    ask: dict[str, object],
) -> None:
    held = Held()
    async with upstream(held) as worker, gateway(view(worker.url)) as served:
        for stream in (True, False):
            answer = await served.client.post(
                CHAT, json=ask | {"stream": stream}, headers={"x-request-timeout": "0.3"}
            )
            assert answer.status_code == 504
            assert answer.json()["error"]["code"] == "deadline_exceeded"
        told = [int(request.header(DEADLINE_HEADER) or 0) for request in worker.received]
        assert len(told) == 2
        assert all(0 < left_ms <= 1000 for left_ms in told)  # it may be told a little more
        assert served.fleet.in_flight() == {worker.url: 0}
        held.free.set()
        await until(worker.closed.is_set)


@pytest.mark.parametrize("value", ["", "0", "-1", "nan", "inf", "soon", "1e400", "1_0", "+5"])
async def test_a_deadline_that_is_none_is_refused(value: str, ask: dict[str, object]) -> None:
    async with upstream(GOOD) as worker, gateway(view(worker.url)) as served:
        answer = await served.client.post(CHAT, json=ask, headers={"x-request-timeout": value})
        assert answer.status_code == 400
        assert worker.received == []
