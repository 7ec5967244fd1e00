"""Clients that hang up at random points leave nothing behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import orjson
import pytest

from server.core.settings import ModelSettings
from server.wire.fleet import GATEWAY_HEADER, SECRET_HEADER
from server.wire.lanes import LANES, PRIORITY_HEADER
from tests.fakes.worker import SECRET, Worker, local_worker
from tests.worker.stepped import load_stepped

POINTS = 100
AT_ONCE = 8
SETTINGS = ModelSettings(name="echo", path="-", engine="echo", slots=3, queue=8)
IDLE = {"running": 0, "waiting": 0, "by_gateway": {}, "by_lane": {}}


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with local_worker(SETTINGS, load=load_stepped) as worker:
        yield worker


def message(chance: random.Random) -> bytes:
    """A request for an answer of 2,000 words."""
    fields = {
        "model": "echo",
        "messages": [{"role": "user", "content": "word " * 2000}],
        "stream": chance.random() < 0.7,
    }
    body = orjson.dumps(fields)
    lines = (
        "POST /v1/chat/completions HTTP/1.1",
        "host: 127.0.0.1",
        f"{SECRET_HEADER}: {SECRET.get_secret_value()}",
        f"{GATEWAY_HEADER}: gw",
        f"{PRIORITY_HEADER}: {chance.choice(LANES)}",
        "content-type: application/json",
        f"content-length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def hang_up(worker: Worker, chance: random.Random) -> None:
    """Somewhere in the request, in line, before the first word, or in the answer."""
    address = urlsplit(worker.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    asked = message(chance)
    point = chance.random()
    try:
        writer.write(asked[: chance.randrange(len(asked))] if point < 0.15 else asked)
        for _ in range(chance.randrange(20)):
            await asyncio.sleep(0)
        if point > 0.4:
            async with asyncio.timeout(chance.random() / 10):
                await reader.readexactly(chance.randrange(1, 40_000))
    except (TimeoutError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.transport.abort()


async def test_a_hundred_hang_ups_leave_no_slot_taken(worker: Worker) -> None:
    chance = random.Random(20)
    for _ in range(0, POINTS, AT_ONCE):
        await asyncio.gather(*(hang_up(worker, chance) for _ in range(AT_ONCE)))
    async with asyncio.timeout(10):
        while not IDLE.items() <= (stats := await worker.stats()).items():  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.01)
    assert stats["cancelled"] >= POINTS // 2
    assert stats["tokens_after_cancel"] <= stats["cancelled"]
    answers = await asyncio.gather(*(worker.chat(max_tokens=2) for _ in range(SETTINGS.slots)))
    assert [answer.status_code for answer in answers] == [200] * SETTINGS.slots
    made = (await worker.stats())["generated"] - stats["generated"]
    assert made <= SETTINGS.slots * (2 + 1)  # theirs, and one late step each: the model had stopped
