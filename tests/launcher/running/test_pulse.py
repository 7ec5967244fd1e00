from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from server.core.clock import Clock, SystemClock
from server.core.limits import FROZEN_LATE_S, FROZEN_MISSES
from server.launcher.running import pulse
from server.launcher.running.pulse import until_frozen
from server.launcher.setup.home import Home
from tests.fakes.waiting import until
from tests.launcher.fleet import Fleet

pytestmark = pytest.mark.anyio

WORKER = "model_worker a"
OFTEN_S = 0.03
ANSWER = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def asked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "FROZEN_ASK_S", OFTEN_S)


class Asked:
    """A process that behaves in one way, and counts the questions."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.questions: list[bytes] = []
        self._behaviour = behaviour

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.questions.append(await reader.readuntil(b"\r\n\r\n"))
                await self._behaviour(reader, writer)
        writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{port}"


async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(ANSWER)


async def answers_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep((FROZEN_MISSES - 2) * OFTEN_S)
    writer.write(ANSWER)


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


class Leaping:
    """The clock of a launcher that comes too late every time."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        self._now += OFTEN_S + FROZEN_LATE_S
        return self._now

    def wall(self) -> float:
        return self._now


async def lives(behaviour: Behaviour, clock: Clock | None = None) -> bool:
    """Whether it is not taken for frozen though it was asked often enough."""
    asked = Asked(behaviour)
    async with asked.running() as address:
        watching = asyncio.create_task(until_frozen(address, clock or SystemClock()))
        await until(lambda: watching.done() or len(asked.questions) > 3 * FROZEN_MISSES)
        alive = not watching.done()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return alive


async def test_who_is_silent_for_long_enough_is_frozen() -> None:
    asked = Asked(is_silent)
    async with asked.running() as address:
        why = await until_frozen(address, SystemClock())
        assert why.startswith("frozen, no answer for ")
    assert len(asked.questions) == FROZEN_MISSES
    assert asked.questions[0].startswith(b"GET /livez HTTP/1.1\r\n")


@pytest.mark.parametrize("behaviour", [answers, answers_late, hangs_up])
async def test_who_says_anything_however_late_is_not(behaviour: Behaviour) -> None:
    assert await lives(behaviour)


async def test_a_launcher_that_was_stalled_itself_blames_nobody() -> None:
    assert await lives(is_silent, Leaping())


@pytest.mark.slow
async def test_frozen_servers_are_replaced_and_a_local_models_worker_is_left_alone(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "FROZEN_ASK_S", 0.2)
    servers = ("controller", "openai_api", "api")
    fleet = Fleet(home, app=True)
    async with fleet.running():
        worker = fleet.pid(WORKER)
        for name in (WORKER, *servers):
            os.kill(fleet.pid(name), signal.SIGSTOP)
        try:
            await until(lambda: all(fleet.state(name).restarts for name in servers))
            await until(lambda: all(fleet.state(name).status == "ready" for name in servers))
            said = "\n".join(["", *fleet.view.said])
            for name in servers:
                why = "frozen, no answer for 1.2 s, so it was killed"
                assert f"\n{name} died: {why}. It is started again in 0.5 s." in said
            assert (fleet.pid(WORKER), fleet.state(WORKER).restarts) == (worker, 0)
        finally:
            os.kill(worker, signal.SIGCONT)
