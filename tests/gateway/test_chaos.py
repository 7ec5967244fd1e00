"""The network at its worst: every request ends, truthfully, and nothing stays taken."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import struct
from contextlib import AbstractContextManager, suppress
from time import monotonic

import httpx
import pytest

from server.gateway import asking
from server.gateway import relay as requests
from server.web import relay
from tests.fakes.chaos_proxy import ChaosProxy, chaos_proxy, unreachable
from tests.fakes.upstream import (
    LAST_CHUNK,
    STREAM_HEAD,
    Received,
    Script,
    Writer,
    chunk,
    says,
    upstream,
    whole,
)
from tests.fakes.waiting import until
from tests.gateway.conftest import Served, gateway, view
from tests.gateway.test_relay import CHAT, DONE, ONE, error_of

GOOD = says(whole(b'{"choices":[]}'))
KILOBYTE = chunk(b'data: {"choices":[{"delta":{"content":"' + b"x" * 1000 + b'"}}]}\n\n')
MOST_UNREAD = 6 * 1024
"""Kilobytes: nearly all of it lies in the kernel, which grows its buffers for a fast worker."""


def drips(*pieces: bytes, every_s: float = 0.0, first: bytes = b"") -> Script:
    """After `first`, the pieces over and over for as long as somebody listens."""

    async def script(_: Received, writer: Writer) -> None:
        writer.write(first)
        for piece in itertools.cycle(pieces):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(every_s)

    return script


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def way_to(url: str, *, buffer_bytes: int = 0) -> AbstractContextManager[ChaosProxy]:
    return chaos_proxy("127.0.0.1", port_of(url), buffer_bytes=buffer_bytes)


async def streamed(served: Served, ask: dict[str, object]) -> bytes:
    return (await served.client.post(CHAT, json=ask | {"stream": True})).content


BODY = b'{"model":"m","stream":true}'
REQUEST = b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (
    CHAT.encode(),
    len(BODY),
    BODY,
)


async def test_a_worker_that_answers_no_connection_delays_one_request_and_no_other_model(
    ask: dict[str, object],
) -> None:
    async with upstream(GOOD) as fine, upstream(GOOD) as other:
        with unreachable() as nowhere:
            busy = view(fine.url, load={"running": 1})
            views = view(nowhere), busy, view(other.url, models=("other",))
            async with gateway(*views) as served:
                first = asyncio.create_task(served.client.post(CHAT, json=ask))
                await until(lambda: served.fleet.in_flight()[nowhere])
                for _ in range(20):
                    answer = await served.client.post(CHAT, json=ask | {"model": "other"})
                    assert answer.status_code == 200
                assert not first.done()
                assert (await first).status_code == 200
                assert served.fleet.workers()[0].breaker_of("m").state(monotonic()) == "open"
                assert (await served.client.post(CHAT, json=ask)).status_code == 200
                assert len(fine.received) == 2


async def test_a_stream_swallowed_in_the_middle_ends_on_both_sides(
    ask: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BETWEEN_TOKENS_S", 0.5)
    async with upstream(drips(chunk(ONE), every_s=0.05, first=STREAM_HEAD)) as worker:
        with way_to(worker.url) as way:
            async with gateway(view(way.url)) as served:
                telling = asyncio.create_task(streamed(served, ask))
                await until(lambda: worker.received)
                await asyncio.sleep(0.2)
                way.black_hole()
                said = await telling
                assert said.startswith(ONE)
                assert error_of(said)["code"] == "upstream_timeout"
                assert served.fleet.in_flight() == {way.url: 0}
                assert not worker.closed.is_set()
                way.mend()
                await until(worker.closed.is_set)


async def test_a_reset_in_the_middle_of_a_stream_is_told_at_once(ask: dict[str, object]) -> None:
    async with upstream(drips(chunk(ONE), every_s=0.05, first=STREAM_HEAD)) as worker:
        with way_to(worker.url) as way:
            async with gateway(view(way.url)) as served:
                telling = asyncio.create_task(streamed(served, ask))
                await until(lambda: worker.received)
                await asyncio.sleep(0.2)
                assert way.reset() == 1
                async with asyncio.timeout(5):
                    said = await telling
                assert said.startswith(ONE)
                assert error_of(said)["code"] == "worker_lost"
                await until(worker.closed.is_set)


async def test_a_greedy_stream_outlives_a_reset(ask: dict[str, object]) -> None:
    """Its way to the first worker is reset, and the second one is asked."""
    pieces = [ONE.replace(b"\xe4\xb8\x80", str(number).encode()) for number in range(40)]

    async def counts(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD)
        for piece in pieces:
            writer.write(chunk(piece))
            await writer.drain()
            await asyncio.sleep(0.02)
        writer.write(chunk(DONE) + LAST_CHUNK)

    async with upstream(counts) as near, upstream(counts) as far:
        with way_to(near.url) as way:
            busy = view(far.url, load={"running": 1})
            async with gateway(view(way.url), busy) as served:
                telling = asyncio.create_task(streamed(served, ask | {"temperature": 0}))
                await until(lambda: near.received)
                await asyncio.sleep(0.3)
                way.reset()
                said = await telling
                for number in range(40):
                    assert said.count(b'"content":"%d"' % number) == 1
                assert said.endswith(DONE)
                assert said.count(b'"resumed":true') == 1


async def test_a_slow_link_makes_the_worker_wait() -> None:
    taken = 0

    async def endless(_: Received, writer: Writer) -> None:
        nonlocal taken
        writer.write(STREAM_HEAD)
        while True:
            writer.write(KILOBYTE)
            await writer.drain()
            taken += 1

    async with upstream(endless) as worker, gateway(view(worker.url)) as served:
        with way_to(served.url, buffer_bytes=16_384) as way:
            way.slow_down(8_000)  # 64 kbit/s
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port_of(way.url), limit=4096
            )
            writer.write(REQUEST)
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(1)  # until what lies between the two is full
            before = taken
            assert before < MOST_UNREAD
            for _ in range(4):
                await reader.readuntil(b"\n\n")
            assert taken - before < 256
            writer.transport.abort()
            await until(worker.closed.is_set)
            await until(lambda: served.fleet.in_flight() == {worker.url: 0})


async def test_losses_on_both_ways_break_no_stream(ask: dict[str, object]) -> None:
    events = [
        b'data: {"choices":[{"delta":{"content":"%d %b"}}]}\n\n' % (number, b"y" * 900)
        for number in range(60)
    ]
    answer = STREAM_HEAD + b"".join(map(chunk, [*events, DONE])) + LAST_CHUNK
    async with upstream(says(answer)) as worker:
        with way_to(worker.url) as inner:
            inner.lose(0.1, 0.05)
            async with gateway(view(inner.url, slots=20)) as served:
                with way_to(served.url) as outer:
                    outer.lose(0.1, 0.05)
                    async with httpx.AsyncClient(base_url=outer.url, trust_env=False) as client:
                        body = ask | {"stream": True}
                        asked = (client.post(CHAT, json=body, timeout=30) for _ in range(20))
                        answers = await asyncio.gather(*asked)
                    assert {got.content for got in answers} == {b"".join([*events, DONE])}
                    assert served.fleet.workers()[0].breaker_of("m").state(monotonic()) == "closed"


PONG = b": pong\n\n"


@pytest.mark.parametrize(
    ("stream", "script"),
    [
        (True, drips(b"x", every_s=0.05)),
        (True, drips(chunk(b"d"), every_s=0.05, first=STREAM_HEAD + chunk(ONE))),
        (True, drips(chunk(PONG), every_s=0.05, first=STREAM_HEAD + chunk(ONE))),
        (False, drips(b"x", every_s=0.05)),
        (False, drips(b" ", every_s=0.05, first=b"HTTP/1.1 200 OK\r\n\r\n")),
    ],
    ids=["head", "event", "comments", "head of a whole answer", "whole answer"],
)
async def test_a_trickle_keeps_no_request_alive(
    stream: bool, script: Script, ask: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, seconds in (
        (asking, "FIRST_TOKEN_S", 0.4),
        (relay, "FIRST_TOKEN_S", 0.4),
        (relay, "BETWEEN_TOKENS_S", 0.4),
        (asking, "WHOLE_REQUEST_S", 1.0),
        (requests, "WHOLE_REQUEST_S", 1.0),
    ):
        monkeypatch.setattr(module, name, seconds)
    async with upstream(script) as worker, gateway(view(worker.url)) as served:
        async with asyncio.timeout(5):
            answer = await served.client.post(CHAT, json=ask | {"stream": stream})
        if answer.status_code == 200:
            assert error_of(answer.content)["code"] == "upstream_timeout"
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) in {
                (504, "upstream_timeout"),
                (503, "worker_lost"),
            }
        assert served.fleet.in_flight() == {worker.url: 0}
        await until(worker.closed.is_set)


async def test_a_reader_that_stalls_is_left_and_its_worker_freed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "WRITE_STALL_S", 0.5)
    async with upstream(drips(KILOBYTE, first=STREAM_HEAD)) as worker:
        async with gateway(view(worker.url)) as served:
            with way_to(served.url, buffer_bytes=16_384) as way:
                _, writer = await asyncio.open_connection("127.0.0.1", port_of(way.url))
                writer.write(REQUEST)
                await until(lambda: worker.received)
                way.slow_down(1)
                await until(worker.closed.is_set, limit_s=10)
                assert served.fleet.in_flight() == {worker.url: 0}
                writer.transport.abort()


async def leave(url: str, chance: random.Random) -> None:
    """Ask, and be gone at some point, in one of three ways."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(url))
    writer.write(REQUEST[: chance.choice((len(REQUEST), chance.randint(1, len(REQUEST))))])
    with suppress(TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(0.05):
            await reader.readexactly(chance.randint(1, 8000))
    way = chance.choice(("close", "reset", "half"))
    if way == "half":
        writer.write_eof()
        await asyncio.sleep(0.02)
    elif way == "reset":
        own = writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_hang_ups_at_random_points_leave_nothing_taken() -> None:
    chance, text = random.Random(4), ONE * 200 + DONE

    async def talk(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD)
        for place in range(0, len(text), 1000):
            writer.write(chunk(text[place : place + 1000]))
            await writer.drain()
            await asyncio.sleep(0.002)
        writer.write(LAST_CHUNK)

    async with upstream(talk) as worker, gateway(view(worker.url, slots=64)) as served:
        for _ in range(10):
            await asyncio.gather(*(leave(served.url, chance) for _ in range(20)))
        await until(lambda: served.fleet.in_flight() == {worker.url: 0})
        assert len(worker.received) >= 50
        assert await streamed(served, {"model": "m"}) == text
