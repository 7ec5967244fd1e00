from __future__ import annotations

import asyncio

from server.web.drain import Drain
from tests.fakes.in_flight import in_flight


async def test_nothing_in_flight_drains_at_once() -> None:
    drain = Drain()
    async with asyncio.timeout(0.5):
        await drain.finish(patience_s=60)
    assert drain.begun.is_set() and drain.is_ending


async def test_a_running_request_gets_its_time() -> None:
    drain = Drain()
    cut: list[str] = []
    drain.cuts.add(lambda: cut.append("cut"))
    with in_flight(drain):
        finishing = asyncio.create_task(drain.finish(patience_s=60))
        await asyncio.sleep(0)
        assert not finishing.done()
    async with asyncio.timeout(0.5):
        await finishing
    assert not cut


async def test_one_that_takes_too_long_is_cut() -> None:
    drain = Drain()
    cut = asyncio.Event()
    drain.cuts.add(cut.set)

    async def endless() -> None:
        with in_flight(drain):
            await cut.wait()

    running = asyncio.create_task(endless())
    await asyncio.sleep(0)
    await drain.finish(patience_s=0.01)
    assert cut.is_set()
    await running
