"""Clients that ask again and again: the work that fills a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.lanes.asks import Asker, Body, Seen
from server.wire.lanes import Lane

_REST_S = 0.05
"""After a refusal, so that an error does not become a storm."""
_LOOK_S = 0.01
_FULL_S = 10.0


@asynccontextmanager
async def crowd(asker: Asker, lane: Lane, body: Body, clients: int) -> AsyncIterator[Seen]:
    """`clients` in `lane`, each with one request under way, until the block ends; it begins when
    the first words have come. Raises `TimeoutError` when they do not."""
    seen = Seen()
    tasks = [asyncio.create_task(_again(asker, lane, body, seen)) for _ in range(clients)]
    try:
        async with asyncio.timeout(_FULL_S):
            while not seen.pieces:  # noqa: ASYNC110 - told by nobody
                await asyncio.sleep(_LOOK_S)
        yield seen
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _again(asker: Asker, lane: Lane, body: Body, seen: Seen) -> None:
    while True:
        before = seen.errors.total()
        await asker.ask(lane, body, seen)
        if seen.errors.total() > before:
            await asyncio.sleep(_REST_S)
