from __future__ import annotations

import asyncio

import pytest

from server.core.errors import CutOff
from server.gateway.movable import Movable


async def test_a_request_that_waits_is_moved() -> None:
    movable = Movable()
    with pytest.raises(CutOff):
        async with movable:
            asyncio.get_running_loop().call_soon(movable.move)
            await asyncio.Event().wait()


async def test_to_move_twice_or_after_the_end_is_nothing() -> None:
    movable = Movable()
    with pytest.raises(CutOff):
        async with movable:
            movable.move()
            movable.move()
            await asyncio.Event().wait()
    movable.move()
