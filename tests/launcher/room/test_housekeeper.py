from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import pytest

from server.core.limits import WAKE_RETRY_S
from server.core.memory.need import Need
from server.core.memory.room import Room
from server.core.settings import ModelSettings
from server.launcher.room import housekeeper
from server.launcher.room.housekeeper import Housekeeper
from server.launcher.room.reckoner import Claim, Held, Reckoner
from server.launcher.running.keeper import Keeper
from server.launcher.running.routing import Router
from server.launcher.running.surroundings import GO
from server.wire.fleet import FleetView, Load, WorkerView
from tests.fakes.clock import ManualClock
from tests.fakes.kept import Kept, kept
from tests.fakes.waiting import until

EACH = Claim(Need(10), "cpu")


class FakeReckoner:
    """Every model needs 10."""

    def __init__(self, total: int) -> None:
        self._total = total

    def claim(self, model: ModelSettings) -> Claim:
        return EACH

    def room(self, model: ModelSettings, claim: Claim, held: Iterable[Held]) -> Room:
        return Room(self._total - 10 * len(list(held)), self._total)


class FakeRouter:
    async def set_aside(self, keeper: Kept) -> None: ...


class House:
    def __init__(self, *keepers: Kept, total: int = 20) -> None:
        self.clock = ManualClock()
        self.notes: list[str] = []
        self.stopping = False
        self.keepers = keepers
        self.inner = Housekeeper(
            cast(list[Keeper], list(keepers)),
            cast(Reckoner, FakeReckoner(total)),
            cast(Router, FakeRouter()),
            self.clock,
            self.notes.append,
            lambda: self.stopping,
        )

    def hear(self, *wanted: str, **running: int) -> None:
        """A word from the controller: who is up is listed, and has nothing to do but `running`."""
        workers = [
            WorkerView(
                address=keeper.address,
                models=(keeper.plan.model.name,),
                load=Load(running=running.get(keeper.plan.model.name, 0)),
            )
            for keeper in self.keepers
            if keeper.address and keeper.plan.model
        ]
        self.inner.learn(FleetView(workers=tuple(workers), wanted=wanted))

    async def admit(self, keeper: Kept) -> Any:
        return await self.inner.admit(cast(Keeper, keeper))

    async def look(self) -> None:
        self.inner._settle_wakes()
        self.inner._unload_idle()
        await until(lambda: not self.inner._leaving)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeper, "SETTLE_S", 0)
    monkeypatch.setattr(housekeeper, "LOOK_S", 0)


async def test_an_idle_model_is_unloaded_after_its_time_and_not_before() -> None:
    idle, lasting = kept("idle", {"idle_unload_s": 60.0}), kept("lasting")
    house = House(idle, lasting)
    house.hear()
    for seconds, status in ((59, "ready"), (1, "asleep")):
        house.clock.advance(seconds)
        house.hear()
        await house.look()
        assert (idle.status, lasting.status) == (status, "ready")
    assert house.notes == ["model_worker idle is unloaded: idle for 60 s."]


async def test_who_works_is_not_idle() -> None:
    busy = kept("busy", {"idle_unload_s": 60.0})
    house = House(busy)
    for _ in range(3):
        house.clock.advance(60)
        house.hear(busy=1)
        await house.look()
    assert busy.status == "ready"


async def test_without_a_word_of_the_controller_nobody_is_unloaded() -> None:
    idle = kept("idle", {"idle_unload_s": 60.0})
    house = House(idle)
    house.hear()
    house.clock.advance(600)
    await house.look()
    assert idle.status == "ready"


async def test_replicas_are_unloaded_together() -> None:
    one, two = (kept("m", {"idle_unload_s": 60.0}) for _ in range(2))
    one.plan.name, two.plan.name, two.address = "m", "m#2", "http://127.0.0.1/2"
    house = House(one, two)
    house.hear()
    house.clock.advance(60)
    house.hear(m=1)
    await house.look()
    assert (one.status, two.status) == ("ready", "ready")


async def test_what_is_asked_for_is_started_once() -> None:
    sleeper, other = kept("a", status="asleep", dozes="idle"), kept("b")
    house = House(sleeper, other)
    house.hear("a", "b", "nobody")
    house.hear("a")
    assert (sleeper.starts, other.starts) == (1, 0)
    assert sleeper.waking
    sleeper.status, sleeper.address = "ready", "http://127.0.0.1/a"
    house.hear()
    assert not sleeper.waking


async def test_who_is_asked_for_while_it_ends_starts_once_it_has() -> None:
    ending = kept("a", status="stopping", dozes="idle", has_ended=False)
    house = House(ending)
    house.hear("a")
    assert ending.starts == 0
    ending.has_ended = True
    house.inner._wake_wanted()
    assert ending.starts == 1


async def test_nobody_is_woken_who_was_stopped_or_while_all_ends() -> None:
    held = kept("a", status="stopped", dozes="idle", held=True)
    sleeper = kept("b", status="asleep", dozes="idle")
    house = House(held, sleeper)
    house.stopping = True
    house.hear("a", "b")
    assert (held.starts, sleeper.starts) == (0, 0)


async def test_what_came_to_nothing_is_tried_again_after_a_while() -> None:
    broken = kept("a", status="asleep", dozes="idle")
    house = House(broken)
    house.hear("a")
    broken.status, broken.detail = "quarantined", "no weights"
    await house.look()
    (told,) = house.inner._resting()
    assert (told.state, told.trouble, told.retry) == ("asleep", "no weights", False)
    house.hear("a")
    assert broken.starts == 1
    house.clock.advance(WAKE_RETRY_S)
    house.hear("a")
    assert broken.starts == 2


async def test_where_there_is_room_a_model_starts() -> None:
    one = kept("a")
    assert await House(one).admit(one) == GO


async def test_the_least_recently_used_leaves_for_one_that_is_asked_for() -> None:
    old, new, wanted = kept("old"), kept("new"), kept("c", status="asleep")
    house = House(old, new, wanted)
    for keeper in (old, new):
        await house.admit(keeper)
        house.hear(**{keeper.plan.name.removeprefix("model_worker "): 1})
        house.clock.advance(1)
    house.hear()
    old.ended = lambda: house.inner.release(cast(Keeper, old))
    assert await house.admit(wanted) == GO
    assert (old.status, new.status) == ("asleep", "ready")
    assert old.dozes == "room is needed for 'c'"


async def test_at_a_start_nobody_leaves_and_who_comes_late_sleeps() -> None:
    one, two, late = kept("a"), kept("b"), kept("c", is_first=True)
    house = House(one, two, late)
    for keeper in (one, two):
        await house.admit(keeper)
    verdict = await house.admit(late)
    assert verdict.later
    assert verdict.why.startswith("it is loaded when it is asked for: model 'c' needs about")
    assert (one.status, two.status) == ("ready", "ready")


async def test_what_can_never_fit_is_given_up() -> None:
    pinned, big = kept("a", {"pinned": True}), kept("b", is_first=True)
    house = House(pinned, big, total=15)
    await house.admit(pinned)
    verdict = await house.admit(big)
    assert verdict.why
    assert not verdict.later


async def test_who_asked_for_it_hears_why_it_does_not_fit() -> None:
    pinned, wanted = kept("a", {"pinned": True}), kept("b", dozes="idle", status="asleep")
    house = House(pinned, wanted, total=15)
    await house.admit(pinned)
    wanted.waking = True
    assert (await house.admit(wanted)).later
    (told,) = [one for one in house.inner._resting() if one.model == "b"]
    assert told.trouble.startswith("model 'b' needs about")
