from __future__ import annotations

import asyncio

import pytest

from server.controller.changes import Changes

pytestmark = pytest.mark.anyio


async def test_who_missed_a_change_does_not_wait() -> None:
    changes = Changes()
    changes.bump()
    changes.bump()
    assert await changes.after(0, 60) == 2


async def test_a_change_wakes_everybody_who_waits() -> None:
    changes = Changes()
    waiting = [asyncio.create_task(changes.after(0, 60)) for _ in range(3)]
    await asyncio.sleep(0)
    changes.bump()
    assert await asyncio.gather(*waiting) == [1, 1, 1]


async def test_a_wait_without_a_change_ends_in_time() -> None:
    assert await Changes().after(0, 0.01) == 0


async def test_waking_is_not_a_change() -> None:
    changes = Changes()
    waiting = asyncio.create_task(changes.after(0, 60))
    await asyncio.sleep(0)
    changes.wake()
    assert await waiting == 0
