from __future__ import annotations

import asyncio
import threading

import pytest

from server.core.errors import StartError
from server.worker.local.loading import load_unless_stopped


async def test_the_loop_is_free_while_a_model_loads() -> None:
    go = threading.Event()
    loading = asyncio.create_task(load_unless_stopped(lambda: go.wait(5), asyncio.Event()))
    await asyncio.sleep(0)
    go.set()
    assert await loading is True


async def test_what_goes_wrong_is_raised() -> None:
    def load() -> None:
        raise StartError("no weights")

    with pytest.raises(StartError, match="no weights"):
        await load_unless_stopped(load, asyncio.Event())


async def test_told_to_stop_it_waits_no_longer() -> None:
    go, stopping = threading.Event(), asyncio.Event()
    stopping.set()
    with pytest.raises(StartError, match="told to stop"):
        await load_unless_stopped(lambda: go.wait(5), stopping)
    go.set()
