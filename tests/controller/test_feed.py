from __future__ import annotations

import asyncio

import pytest

from server.controller.feed import Feed
from server.controller.registry import Registry
from server.core.clock import SystemClock
from server.web.asgi import Message, Scope
from server.web.drain import Drain
from server.wire.fleet import GATEWAY_ADDRESS_HEADER, GATEWAY_HEADER, FleetView
from tests.controller.registrations import A, beat, registration
from tests.fakes.clock import ManualClock
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio


NOBODY: Scope = {"headers": []}


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
        async with asyncio.timeout(5):
            line = await self.lines.get()
        assert line.endswith(b"\n")
        return FleetView.model_validate_json(line)


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


async def test_a_stopping_controller_ends_its_subscriptions_at_once() -> None:
    registry, subscriber, drain = Registry(SystemClock()), Subscriber(), Drain()
    feed = Feed(registry, drain)
    waking = asyncio.create_task(feed.wake_at_stop())
    serving = asyncio.create_task(feed(NOBODY, never, subscriber.send))
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
