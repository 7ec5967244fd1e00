from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from server.core.errors import Unavailable, UpstreamTimeout
from server.web.asgi import ClientLeft, Message
from server.web.drain import Drain
from server.web.patience import Patience
from tests.fakes.in_flight import in_flight


def receive_until(left: asyncio.Event) -> Callable[[], Awaitable[Message]]:
    async def receive() -> Message:
        await left.wait()
        return {"type": "http.disconnect"}

    return receive


def patient(whole_s: float = 60, drain: Drain | None = None) -> tuple[Patience, asyncio.Event]:
    left = asyncio.Event()
    return Patience(receive_until(left), drain or Drain(), whole_s), left


async def forever() -> None:
    await asyncio.Event().wait()


async def test_what_ends_in_time_ends_well() -> None:
    limit, _ = patient()
    with limit:
        limit.allow(1)
        await asyncio.sleep(0)


async def test_a_wait_that_is_too_long_is_the_upstreams_fault() -> None:
    limit, _ = patient()
    with pytest.raises(UpstreamTimeout):
        with limit:
            limit.allow(0.01)
            await forever()


@pytest.mark.parametrize("whole_s", [1e-9, 1e-4, 4e-4, 9e-4])
async def test_hardly_any_time_is_no_trouble(whole_s: float) -> None:
    limit, _ = patient(whole_s=whole_s)
    with pytest.raises(UpstreamTimeout):
        with limit:
            limit.allow(30)
            limit.allow(1)
            await forever()


async def test_each_allowance_begins_anew() -> None:
    limit, _ = patient()
    with limit:
        for _ in range(5):
            limit.allow(0.05)
            await asyncio.sleep(0.02)


async def test_the_whole_is_never_exceeded() -> None:
    limit, _ = patient(whole_s=0.05)
    with pytest.raises(UpstreamTimeout):
        with limit:
            while True:
                limit.allow(10)
                await asyncio.sleep(0.005)


async def test_a_client_that_does_not_read_has_left() -> None:
    limit, _ = patient()
    with pytest.raises(ClientLeft):
        with limit:
            limit.allow(0.01, "client")
            await forever()


async def test_a_client_that_leaves_ends_it_at_once() -> None:
    limit, left = patient()
    with pytest.raises(ClientLeft):
        with limit:
            left.set()
            await forever()


async def test_a_server_that_ends_says_so() -> None:
    drain = Drain()
    limit, _ = patient(drain=drain)
    with in_flight(drain), pytest.raises(Unavailable):
        with limit:
            await drain.finish(patience_s=0.01, farewell_s=0.01)
            await forever()
    assert not drain.rounds.waiting


async def test_an_error_of_the_block_passes_through() -> None:
    limit, left = patient()
    with pytest.raises(KeyError):
        with limit:
            left.set()
            raise KeyError


async def test_a_cancellation_from_outside_passes_through() -> None:
    async def work() -> None:
        limit, _ = patient()
        with limit:
            await forever()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
