from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from server.clients.fleet import ControllerClient
from server.core.errors import ConnectFailed
from server.wire.fleet import Beat, Load, Registered, Registration, WorkerRef
from server.worker import heart as module
from server.worker.heart import Heart
from tests.fakes.controller import controller
from tests.fakes.waiting import until
from tests.fakes.worker import ECHO, local_worker

pytestmark = pytest.mark.anyio

FOR_EVER_S = 1_000.0
REGISTRATION = Registration(address="http://127.0.0.1:30001", models=("m",))


class Teller:
    """A controller's client that keeps what it was told, and says how often it wants to hear."""

    def __init__(self, soon_s: float) -> None:
        self.heard: asyncio.Queue[int] = asyncio.Queue()
        """Running requests, of each registration and each beat."""
        self.soon_s = soon_s
        self.answers = asyncio.Event()
        self.answers.set()
        self.is_away = False

    async def register(self, registration: Registration) -> Registered:
        return await self._take(registration.load)

    async def beat(self, beat: Beat) -> Registered:
        return await self._take(beat.load)

    async def _take(self, load: Load) -> Registered:
        self.heard.put_nowait(load.running)
        if self.is_away:
            raise ConnectFailed("away")
        await self.answers.wait()
        return Registered(known=True, beat_s=FOR_EVER_S, soon_s=self.soon_s)

    async def leave(self, worker: WorkerRef) -> None: ...

    async def aclose(self) -> None: ...


class Worker:
    def __init__(self, soon_s: float) -> None:
        self.running = 0
        self.told = Teller(soon_s)
        self.heart = Heart(
            cast(ControllerClient, self.told), REGISTRATION, lambda: Load(running=self.running)
        )

    def change(self, running: int) -> None:
        self.running = running
        self.heart.stir()

    async def next(self) -> int:
        async with asyncio.timeout(5):
            return await self.told.heard.get()

    async def is_quiet(self) -> bool:
        for _ in range(20):
            await asyncio.sleep(0)
        return self.told.heard.empty()


@asynccontextmanager
async def beating(soon_s: float = 0.0) -> AsyncIterator[Worker]:
    """Registered."""
    worker = Worker(soon_s)
    async with worker.heart.beating(asyncio.Event()):
        assert await worker.next() == 0
        yield worker


@pytest.fixture(autouse=True)
def _only_when_stirred(monkeypatch: pytest.MonkeyPatch) -> None:
    """No beat comes by the clock, and one that is stirred need not wait."""
    monkeypatch.setattr(module, "HEARTBEAT_S", FOR_EVER_S)
    monkeypatch.setattr(module, "BEAT_SOON_S", 0.0)


async def test_a_change_is_told_without_waiting_for_the_clock() -> None:
    async with beating() as worker:
        assert await worker.is_quiet()
        worker.change(3)
        assert await worker.next() == 3
        assert await worker.is_quiet()


async def test_a_change_right_after_a_beat_waits_as_long_as_the_controller_wants() -> None:
    async with beating(soon_s=FOR_EVER_S / 2) as worker:
        worker.change(1)
        assert await worker.is_quiet()


async def test_no_controller_can_ask_for_more_beats_than_are_promised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BEAT_SOON_S", FOR_EVER_S / 2)
    async with beating(soon_s=-1.0) as worker:
        worker.change(1)
        assert await worker.is_quiet()


async def test_many_changes_at_once_are_one_beat() -> None:
    async with beating() as worker:
        for running in range(1, 1_000):
            worker.change(running)
        assert await worker.next() == 999
        assert await worker.is_quiet()


async def test_a_change_while_a_beat_is_on_its_way_is_told_by_another() -> None:
    async with beating() as worker:
        await worker.is_quiet()
        worker.told.answers.clear()
        worker.change(1)
        assert await worker.next() == 1
        worker.change(2)
        assert await worker.is_quiet()
        worker.told.answers.set()
        assert await worker.next() == 2


async def test_a_controller_that_is_away_is_not_asked_more_often_because_of_changes() -> None:
    async with beating() as worker:
        worker.told.is_away = True
        worker.change(1)
        assert await worker.next() == 1
        for running in range(100):
            worker.change(running)
            await asyncio.sleep(0)
        assert worker.told.heard.empty()


async def test_a_controller_that_knows_nothing_of_changes_is_told_by_the_clock() -> None:
    answer = Registered.model_validate_json('{"known": true, "beat_s": 2.0}')
    assert answer.soon_s == answer.beat_s


async def test_a_worker_says_that_a_request_has_come_and_that_it_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.controller.fleet.HEARTBEAT_S", FOR_EVER_S)
    slow = ECHO.model_copy(update={"options": {"delay_ms": 50}})

    async with controller() as fleet, local_worker(slow, controller_url=fleet.url) as worker:

        def running() -> list[int]:
            return [entry.load.running for entry in fleet.registry.view().workers]

        await until(lambda: running() == [0])
        asked = asyncio.create_task(worker.chat())
        await until(lambda: running() == [1])
        assert (await asked).status_code == 200
        await until(lambda: running() == [0])
