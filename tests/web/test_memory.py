from __future__ import annotations

import asyncio
import ctypes

import pytest

from server.web import memory
from server.web.memory import EVERY_S, give_back, pause_after
from tests.fakes.waiting import until


async def test_memory_is_given_back_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "EVERY_S", 0.001)
    times: list[int] = []
    work = asyncio.create_task(give_back(lambda: times.append(1)))
    await until(lambda: len(times) > 3)
    work.cancel()


def test_a_large_heap_is_looked_through_less_often() -> None:
    assert pause_after(0.0001) == EVERY_S
    assert pause_after(0.1) == pytest.approx(100)


@pytest.mark.parametrize("library", [ctypes.CDLL(None), object()])
async def test_it_goes_on_with_any_c_library(
    library: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    work = asyncio.create_task(give_back())
    await asyncio.wait([work], timeout=0.01)
    assert not work.done()
    work.cancel()
