"""Who swaps what, where several want it at once; the processes are stubs."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from server.launcher.room import swap
from server.launcher.room.swap import Swapper


class Plan(SimpleNamespace):
    drains = False

    def loading_from(self, path: str) -> Plan:
        return Plan(name=self.name, model=SimpleNamespace(name="m", path=path))


def keeper(path: str) -> Any:
    first = asyncio.get_running_loop().create_future()
    first.set_result(True)
    return SimpleNamespace(
        plan=Plan(name="model_worker m", model=SimpleNamespace(name="m", path=path)),
        wishes=asyncio.Lock(),
        up=True,
        has_ended=False,
        first=first,
        state=SimpleNamespace(address="here"),
    )


class Crew:
    def __init__(self) -> None:
        self.keepers = [keeper("a")]

    def recruit(self, old: Any, plan: Plan) -> Any:
        return keeper(plan.model.path)

    def promote(self, new: Any, old: Any) -> None:
        self.keepers[self.keepers.index(old)] = new

    async def dismiss(self, one: Any) -> None:
        one.up, one.has_ended = False, True


class Router:
    def add(self, one: Any) -> None:
        pass

    remove = add

    async def set_aside(self, one: Any) -> None:
        pass


async def soon(new: Any) -> bool:
    await asyncio.sleep(0)
    return True


async def test_who_swaps_while_it_is_swapped_swaps_what_serves_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(swap, "SETTLE_S", 0)
    monkeypatch.setattr(swap, "is_up", lambda one: one.up)
    monkeypatch.setattr(swap, "_until_routed", soon)
    crew: Any = Crew()
    house: Any = None
    router: Any = Router()
    swapper = Swapper(crew, house, router, lambda words: None)
    [serving] = crew.keepers
    assert all(await asyncio.gather(swapper.swap(serving, "b"), swapper.swap(serving, "c")))
    [serving] = crew.keepers
    assert serving.up
    assert serving.plan.model.path == "c"
