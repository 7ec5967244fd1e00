from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from server.web.background import kept_running


@contextmanager
def terminations() -> Iterator[list[int]]:
    """The SIGTERMs that this process gets meanwhile."""
    got: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: got.append(number))
    try:
        yield got
    finally:
        signal.signal(signal.SIGTERM, before)


async def forever() -> None:
    await asyncio.Event().wait()


async def breaks() -> None:
    raise KeyError("unforeseen")


async def ends() -> None:
    return


async def test_work_ends_with_its_block_and_the_process_goes_on() -> None:
    with terminations() as got:
        async with kept_running(forever(), "work"):
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
    assert got == []


@pytest.mark.parametrize("work", [breaks, ends])
async def test_work_that_ends_by_itself_ends_the_process(work: object) -> None:
    with terminations() as got:
        async with kept_running(work(), "work"):  # type: ignore[operator]
            await asyncio.sleep(0.01)
    assert got == [signal.SIGTERM]
