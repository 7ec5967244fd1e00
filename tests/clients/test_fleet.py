from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from pydantic import SecretStr

from server.clients import fleet as module
from server.clients.fleet import ControllerClient
from server.core.errors import BadAnswer, ConnectFailed, CutOff
from server.wire.fleet import (
    Beat,
    FleetView,
    GatewayView,
    Load,
    Loads,
    Registration,
    WorkerRef,
)
from tests.fakes.clock import ManualClock
from tests.fakes.controller import SECRET, controller
from tests.fakes.upstream import Received, Writer, says, upstream, whole

pytestmark = pytest.mark.anyio

A = "http://127.0.0.1:30001"
WORKER = WorkerRef(address=A, generation="g1")
REGISTRATION = Registration(address=A, generation="g1", models=("mini",))
NOWHERE = "http://127.0.0.1:1"
EMPTY = FleetView(workers=()).model_dump_json().encode() + b"\n"
NDJSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\n\r\n"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_MIN_S", 0.01)
    monkeypatch.setattr(module, "BACKOFF_MAX_S", 0.02)


async def next_of(views: AsyncGenerator[FleetView]) -> FleetView:
    async with asyncio.timeout(5):
        return await anext(views)


async def test_a_worker_registers_beats_drains_leaves_and_is_lost() -> None:
    async with controller() as fleet:
        client = ControllerClient(fleet.url, SECRET)
        assert (await client.register(REGISTRATION)).known
        busy = Beat(address=A, generation="g1", load=Load(running=2))
        assert (await client.beat(busy)).known
        await client.drain(WORKER)
        [worker] = (await client.view()).workers
        assert (worker.state, worker.load.running) == ("draining", 2)
        await client.leave(WORKER)
        assert not (await client.beat(busy)).known
        await client.lost(WORKER)
        assert (await client.view()).workers == ()
        await client.dismiss("guest@here")
        assert (await client.view()).dismissed == ("guest@here",)
        await client.aclose()


async def test_a_watcher_sees_the_fleet_at_once_and_every_change() -> None:
    async with controller() as fleet:
        client = ControllerClient(fleet.url, SECRET)
        views = client.watch()
        assert (await next_of(views)).workers == ()
        await client.register(REGISTRATION)
        assert [w.address for w in (await next_of(views)).workers] == [A]
        await client.lost(WORKER)
        assert (await next_of(views)).workers == ()
        await views.aclose()
        await client.aclose()


async def test_a_watcher_comes_back_when_the_controller_does() -> None:
    async with upstream(says(NDJSON)) as fake:

        async def one_view(_: Received, writer: Writer) -> None:
            writer.write(NDJSON + EMPTY)
            writer.close()

        fake.script = one_view
        client = ControllerClient(fake.url, SECRET)
        views = client.watch()
        for _ in range(3):
            assert (await next_of(views)).workers == ()
        assert fake.connections == 3
        await views.aclose()
        await client.aclose()


async def test_a_silent_controller_is_left_and_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.05)
    async with upstream(says(NDJSON + EMPTY)) as fake:
        client = ControllerClient(fake.url, SECRET)
        views = client.watch()
        await next_of(views)
        await next_of(views)
        assert fake.connections == 2
        await views.aclose()
        await client.aclose()


async def test_views_cut_into_pieces_are_whole_and_only_the_latest_counts() -> None:
    seen = FleetView(settled=False, workers=()).model_dump_json().encode() + b"\n"

    async def dribble(_: Received, writer: Writer) -> None:
        writer.write(NDJSON + EMPTY + seen[:10])
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(seen[10:] + EMPTY + seen)

    async with upstream(dribble) as fake:
        client = ControllerClient(fake.url, SECRET)
        views = client.watch()
        assert [(await next_of(views)).settled for _ in range(2)] == [True, False]
        await views.aclose()
        await client.aclose()


async def test_a_gateway_is_told_of_loads_as_they_change_and_the_others_hear_of_it() -> None:
    gateway = GatewayView(id="gw", address="http://127.0.0.1:9001")
    async with controller() as fleet:
        client = ControllerClient(fleet.url, SECRET)
        await client.register(REGISTRATION)
        async with aclosing(client.follow(gateway)) as lines, asyncio.timeout(5):
            whole = await anext(lines)
            assert isinstance(whole, FleetView)
            assert whole.gateways == (gateway,)
            load = Load(running=2, by_gateway={"other": 2})
            await client.beat(Beat(address=A, generation="g1", load=load))
            assert await anext(lines) == Loads(loads={A: load})
        await client.aclose()


async def test_of_many_lines_at_once_the_last_whole_one_counts_and_the_loads_after_it() -> None:
    def loads(running: int) -> bytes:
        return Loads(loads={A: Load(running=running)}).model_dump_json().encode() + b"\n"

    many = NDJSON + EMPTY + loads(1) + EMPTY + loads(2) + loads(3)
    async with upstream(says(many)) as fake:
        client = ControllerClient(fake.url, SECRET)
        async with aclosing(client.follow(GatewayView(id="gw", address=""))) as lines:
            async with asyncio.timeout(5):
                found = [await anext(lines) for _ in range(3)]
        assert found == [
            FleetView(workers=()),
            *(Loads(loads={A: Load(running=n)}) for n in (2, 3)),
        ]
        await client.aclose()


async def test_a_wrong_secret_is_said_clearly_and_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    async with controller() as fleet:
        client = ControllerClient(fleet.url, SecretStr("wrong"), clock=clock)
        for _ in range(5):
            with pytest.raises(BadAnswer, match="secret"):
                await client.register(REGISTRATION)
        assert len(_warnings(caplog)) == 1
        clock.advance(60)
        with pytest.raises(BadAnswer):
            await client.view()
        assert len(_warnings(caplog)) == 2
        assert "wrong" not in caplog.text
        await client.aclose()


async def test_a_controller_that_is_not_there_is_a_failed_connection() -> None:
    client = ControllerClient(NOWHERE, SECRET)
    with pytest.raises(ConnectFailed):
        await client.view()
    await client.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        whole(b"<html>"),
        whole(b"{}"),
        whole(b'{"known": true, "beat_s": 2}', "500 Oops"),
        whole(b"", "302 Found", "location: http://127.0.0.1:1/"),
    ],
)
async def test_nonsense_is_a_bad_answer(answer: bytes) -> None:
    async with upstream(says(answer)) as fake:
        client = ControllerClient(fake.url, SECRET)
        with pytest.raises(BadAnswer):
            await client.register(REGISTRATION)
        await client.aclose()


async def test_another_version_of_the_protocol_is_a_bad_answer() -> None:
    raw = FleetView(version=99, workers=()).model_dump_json().encode()
    async with upstream(says(whole(raw))) as fake:
        client = ControllerClient(fake.url, SECRET)
        with pytest.raises(BadAnswer, match="version 99"):
            await client.view()
        await client.aclose()


async def test_a_hang_and_a_cut_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CALL_S", 0.05)

    async def hang_up(_: Received, writer: Writer) -> None:
        writer.close()

    async with upstream(says(b"")) as fake:
        client = ControllerClient(fake.url, SECRET)
        with pytest.raises(CutOff):
            await client.view()
        fake.script = hang_up
        with pytest.raises(CutOff):
            await client.view()
        await client.aclose()


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, NOWHERE)
    async with controller() as fleet:
        client = ControllerClient(fleet.url, SECRET)
        assert (await client.view()).workers == ()
        await client.aclose()


async def test_the_secret_does_not_show_in_errors() -> None:
    client = ControllerClient(NOWHERE, SECRET)
    with pytest.raises(ConnectFailed) as caught:
        await client.view()
    assert SECRET.get_secret_value() not in repr(caught.value)
    await client.aclose()


def _warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [r for r in caplog.records if r.levelno == logging.WARNING and r.name == module.__name__]
