"""One customer floods, another asks now and then (C13)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import pytest

from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from tests.fakes.upstream import Received, Writer, says, upstream, whole
from tests.fakes.worker import ECHO, local_worker
from tests.gateway.conftest import SECRET, Served, gateway, view

CHAT = "/v1/chat/completions"
GOOD = says(whole(b'{"choices":[]}'))
WORK_S = 0.1
SLOTS = 4
ASKED = 20
"""Requests of the quiet customer, one after the other."""
ROUNDS = 3
CROWD = 12
"""Connections of the other one, each asking again as soon as it is answered or refused."""
QUEUE = 32
THRONG = SLOTS + QUEUE + 4
"""So many that a worker's line is always full."""
PAUSE_S = 0.1
WORD_MS = 20
WORDS = 10
"""Of the quiet customer's answers; the other one's have up to twice as many."""


def busy_worker() -> Any:
    """Each request takes `WORK_S`; of more than `SLOTS` the others wait."""
    slots = asyncio.Semaphore(SLOTS)

    async def answer(request: Received, writer: Writer) -> None:
        async with slots:
            await asyncio.sleep(WORK_S)
        await GOOD(request, writer)

    return answer


def made(file: Path, name: str, **limits: int) -> dict[str, str]:
    """The headers of a client with a new key."""
    ledger = Ledger.open(file)
    _, text = ledger.create_key(NewKey.model_validate({"name": name, **limits}), now=1.0)
    ledger.close()
    return {"authorization": f"Bearer {text}"}


async def slowest_of_twenty(
    served: Served, ask: dict[str, object], headers: dict[str, str]
) -> float:
    """The 95th percentile of what the quiet customer waits, in seconds."""
    waits = []
    loop = asyncio.get_running_loop()
    for _ in range(ASKED):
        began = loop.time()
        answer = await served.client.post(CHAT, json=ask, headers=headers)
        assert answer.status_code == 200
        waits.append(loop.time() - began)
    return quantiles(waits, n=20)[-1]


async def slowest_in_the_best_round(
    served: Served, ask: dict[str, object], headers: dict[str, str]
) -> float:
    """Whatever else this machine does makes single rounds slow; a crowded line makes all slow."""
    return min([await slowest_of_twenty(served, ask, headers) for _ in range(ROUNDS)])


@asynccontextmanager
async def flood(
    served: Served, asks: list[dict[str, object]], headers: dict[str, str], crowd: int = CROWD
) -> AsyncIterator[Counter[int]]:
    """How its requests end, while the block runs. Its clients ask for one of `asks` each."""
    ends: Counter[int] = Counter()
    limits = httpx.Limits(max_connections=crowd)
    async with httpx.AsyncClient(
        base_url=served.url, limits=limits, timeout=30, trust_env=False
    ) as http:

        async def one(ask: dict[str, object]) -> None:
            while True:
                answer = await http.post(CHAT, json=ask, headers=headers)
                ends[answer.status_code] += 1
                if answer.status_code == 429:
                    await asyncio.sleep(PAUSE_S)

        clients = [asyncio.create_task(one(asks[n % len(asks)])) for n in range(crowd)]
        try:
            yield ends
        finally:
            for task in clients:
                task.cancel()
            await asyncio.gather(*clients, return_exceptions=True)


@pytest.mark.slow
async def test_who_floods_is_held_to_what_his_key_may_and_slows_nobody_else(
    tmp_path: Path, ask: dict[str, object]
) -> None:
    file = tmp_path / "ledger.db"
    greedy = made(file, "greedy", parallel=2)
    quiet = made(file, "quiet")
    async with upstream(busy_worker()) as worker:
        mine = view(worker.url, slots=SLOTS, queue=QUEUE)
        async with gateway(mine, ledger_file=str(file)) as served:
            alone_s = await slowest_of_twenty(served, ask, quiet)
            async with flood(served, [ask], greedy) as ends:
                beside_s = await slowest_in_the_best_round(served, ask, quiet)
            assert beside_s < 2 * alone_s
            assert ends.keys() == {200, 429}
            assert ends[429] > ends[200]


@pytest.mark.slow
async def test_who_floods_with_a_key_without_limits_slows_nobody_else(
    tmp_path: Path, ask: dict[str, object]
) -> None:
    file = tmp_path / "ledger.db"
    greedy, quiet = made(file, "greedy"), made(file, "quiet")
    model = ECHO.model_copy(
        update={"name": "m", "slots": SLOTS, "queue": QUEUE, "options": {"delay_ms": WORD_MS}}
    )

    def for_words(count: int) -> dict[str, object]:
        return ask | {"messages": [{"role": "user", "content": "word " * count}]}

    async with local_worker(model, secret=SECRET) as worker:
        mine = view(worker.url, slots=SLOTS, queue=QUEUE)
        async with gateway(mine, ledger_file=str(file)) as served:
            alone_s = await slowest_of_twenty(served, for_words(WORDS), quiet)
            asks = [for_words(count) for count in range(1, 2 * WORDS)]
            async with flood(served, asks, greedy, THRONG) as ends:
                beside_s = await slowest_in_the_best_round(served, for_words(WORDS), quiet)
            assert alone_s >= WORDS * WORD_MS / 1000
            assert beside_s < 2 * alone_s
            assert ends.keys() == {200, 429}
