from __future__ import annotations

import asyncio

import pytest

from server.controller.feed import Feed
from server.controller.registry import Registry
from server.core.clock import SystemClock
from server.web.asgi import Message, Scope
from server.web.drain import Drain
from server.wire.fleet import (
    GATEWAY_ADDRESS_HEADER,
    GATEWAY_HEADER,
    LOADS_HEADER,
    LOADS_START,
    FleetView,
    Loads,
)
from tests.controller.registrations import A, B, beat, ref, registration
from tests.fakes.clock import ManualClock
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio


NOBODY: Scope = {"headers": []}
FOLLOWER: Scope = {"headers": [(LOADS_HEADER.encode(), b"1")]}


def gateway(id: str) -> Scope:
    address = f"http://127.0.0.1:{9000 + len(id)}".encode()
    return {
        "headers": [
            (GATEWAY_HEADER.encode(), id.encode()),
            (GATEWAY_ADDRESS_HEADER.encode(), address),
        ]
    }


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


class Subscriber:
    """Takes one line when told to."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)

    async def send(self, message: Message) -> None:
        if message.get("body"):
            await self.lines.put(message["body"])

    async def next(self) -> FleetView:
        return FleetView.model_validate_json(await self.line())

    async def running(self) -> dict[str, int]:
        """Of a line of loads, by address."""
        line = await self.line()
        assert line.startswith(LOADS_START)
        loads = Loads.model_validate_json(line).loads
        return {address: load.running for address, load in loads.items()}

    async def line(self) -> bytes:
        async with asyncio.timeout(5):
            line = await self.lines.get()
        assert line.endswith(b"\n")
        return line


async def test_a_subscriber_hears_at_once_and_after_every_change() -> None:
    registry, subscriber = Registry(SystemClock()), Subscriber()
    feed = asyncio.create_task(Feed(registry, Drain())(NOBODY, never, subscriber.send))
    assert (await subscriber.next()).workers == ()
    registry.register(registration())
    assert [w.address for w in (await subscriber.next()).workers] == [A]
    feed.cancel()


async def test_a_slow_subscriber_gets_the_latest_and_no_backlog() -> None:
    registry, subscriber = Registry(ManualClock()), Subscriber()
    feed = asyncio.create_task(Feed(registry, Drain())(NOBODY, never, subscriber.send))
    await until(subscriber.lines.full)
    registry.register(registration())
    for _ in range(10):  # this line is written, and nobody takes it
        await asyncio.sleep(0)
    for generation in range(100):
        registry.register(registration(generation=f"n{generation}"))
    registry.beat(beat(generation="n99", running=7))
    views = [await subscriber.next() for _ in range(3)]
    assert [[w.generation for w in view.workers] for view in views] == [[], ["g1"], ["n99"]]
    feed.cancel()


async def test_who_follows_loads_is_told_of_those_that_changed_and_of_all_else_in_whole() -> None:
    registry, subscriber = Registry(ManualClock()), Subscriber()
    registry.register(registration())
    registry.register(registration(B))
    feed = asyncio.create_task(Feed(registry, Drain())(FOLLOWER, never, subscriber.send))
    assert [w.address for w in (await subscriber.next()).workers] == [A, B]
    registry.beat(beat(running=1))
    assert await subscriber.running() == {A: 1}
    registry.beat(beat(B, running=2))
    assert await subscriber.running() == {B: 2}
    registry.beat(beat(running=3))
    registry.drain(ref(B))
    view = await subscriber.next()
    assert [(w.load.running, w.state) for w in view.workers] == [(3, "ready"), (2, "draining")]
    feed.cancel()


async def test_loads_wait_for_one_another_and_nothing_else_waits_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.controller.feed.LOADS_SOON_S", 1_000.0)
    registry, subscriber = Registry(ManualClock()), Subscriber()
    registry.register(registration())
    feed = asyncio.create_task(Feed(registry, Drain())(FOLLOWER, never, subscriber.send))
    await subscriber.next()
    registry.beat(beat(running=1))
    for _ in range(10):
        await asyncio.sleep(0)
    assert subscriber.lines.empty(), "it is too soon"
    registry.register(registration(B))
    assert [w.load.running for w in (await subscriber.next()).workers] == [1, 0]
    feed.cancel()


async def test_a_change_of_the_fleet_is_told_while_loads_are_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.controller.feed.HEARTBEAT_S", 1_000.0)
    monkeypatch.setattr("server.controller.feed.LOADS_SOON_S", 0.0)
    registry, subscriber = Registry(ManualClock()), Subscriber()
    feed = asyncio.create_task(Feed(registry, Drain())(FOLLOWER, never, subscriber.send))
    await subscriber.next()
    for _ in range(10):
        await asyncio.sleep(0)
    registry.register(registration())
    assert [w.address for w in (await subscriber.next()).workers] == [A]
    feed.cancel()


async def test_a_follower_that_reads_slowly_gets_each_load_once_in_its_latest_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.controller.feed.LOADS_SOON_S", 0.0)
    registry, subscriber = Registry(ManualClock()), Subscriber()
    registry.register(registration())
    registry.register(registration(B))
    feed = asyncio.create_task(Feed(registry, Drain())(FOLLOWER, never, subscriber.send))
    await until(subscriber.lines.full)
    registry.beat(beat(running=1))
    for _ in range(20):  # this line is written, and nobody takes it
        await asyncio.sleep(0)
    for running in range(2, 100):
        registry.beat(beat(running=running))
    registry.beat(beat(B, running=7))
    await subscriber.next()
    assert [await subscriber.running() for _ in range(2)] == [{A: 1}, {A: 99, B: 7}]
    feed.cancel()


async def test_a_quiet_follower_is_told_that_the_controller_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.controller.feed.HEARTBEAT_S", 0.02)
    monkeypatch.setattr("server.controller.feed.LOADS_SOON_S", 0.01)
    registry, subscriber = Registry(SystemClock()), Subscriber()
    feed = asyncio.create_task(Feed(registry, Drain())(FOLLOWER, never, subscriber.send))
    await subscriber.next()
    assert [await subscriber.running() for _ in range(2)] == [{}, {}]
    feed.cancel()


async def test_gateways_know_of_one_another_while_they_listen() -> None:
    registry, first, second = Registry(SystemClock()), Subscriber(), Subscriber()
    feed = Feed(registry, Drain())
    listening = asyncio.create_task(feed(gateway("a"), never, first.send))
    assert [g.id for g in (await first.next()).gateways] == ["a"]
    other = asyncio.create_task(feed(gateway("bb"), never, second.send))
    assert [g.id for g in (await second.next()).gateways] == ["a", "bb"]
    assert [g.address[-4:] for g in (await first.next()).gateways] == ["9001", "9002"]
    other.cancel()
    assert [g.id for g in (await first.next()).gateways] == ["a"]
    listening.cancel()


async def test_a_quiet_fleet_still_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.controller.feed.HEARTBEAT_S", 0.01)
    registry, subscriber = Registry(SystemClock()), Subscriber()
    feed = asyncio.create_task(Feed(registry, Drain())(NOBODY, never, subscriber.send))
    assert [await subscriber.next() for _ in range(3)] == [registry.view()] * 3
    feed.cancel()


@pytest.mark.parametrize("who", [NOBODY, FOLLOWER])
async def test_a_stopping_controller_ends_its_subscriptions_at_once(who: Scope) -> None:
    registry, subscriber, drain = Registry(SystemClock()), Subscriber(), Drain()
    feed = Feed(registry, drain)
    waking = asyncio.create_task(feed.wake_at_stop())
    serving = asyncio.create_task(feed(who, never, subscriber.send))
    await subscriber.next()
    drain.begun.set()
    async with asyncio.timeout(1):
        await serving
    await waking


async def test_a_subscriber_that_does_not_read_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.controller.feed.WRITE_STALL_S", 0.01)
    monkeypatch.setattr("server.controller.feed.HEARTBEAT_S", 0.01)
    feed = Feed(Registry(SystemClock()), Drain())
    async with asyncio.timeout(5):
        await feed(NOBODY, never, Subscriber().send)
