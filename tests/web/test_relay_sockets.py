"""Streams through real sockets on both sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.clients.http import HTTPClient
from server.core.errors import RequestError
from server.web.asgi import Receive, Scope, Send
from server.web.drain import Drain
from server.web.edge import Edge
from server.web.patience import Patience
from server.web.relay import Stream, end_with_error
from tests.fakes.live_server import live_server
from tests.fakes.loops import on_both_loops
from tests.fakes.raw_client import RawClient, raw_client
from tests.fakes.upstream import LAST_CHUNK, STREAM_HEAD, Received, Script, Writer, chunk, upstream
from tests.fakes.waiting import until
from tests.web.http1.talk import GET
from tests.web.passing import event

pytestmark = on_both_loops


@asynccontextmanager
async def relayed(
    script: Script, seen: list[bytes], window: int | None
) -> AsyncIterator[RawClient]:
    """A client that has asked for what `script` says."""
    http = HTTPClient()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        async with http.request(fake.origin, b"/") as answer:
            try:
                with Patience(receive, Drain(), 60) as limit:
                    stream = Stream(answer, limit, seen=seen.append)
                    await stream.open()
                    await stream.pass_on(send)
            except RequestError as error:
                await end_with_error(send, error, "r1")

    async with upstream(script) as fake, live_server(Edge(app, Drain())) as url:
        async with raw_client(url, window=window) as client:
            client.say(GET)
            yield client
    http.close()


async def body_of(client: RawClient) -> bytes:
    parts = []
    while part := await client.chunk():
        parts.append(part)
    return b"".join(parts)


async def test_a_slow_reader_gets_every_event_and_makes_the_upstream_wait() -> None:
    sent = 0
    events = [event(b"%06d" % number * 1000) for number in range(3000)]
    seen: list[bytes] = []

    async def flood(_: Received, writer: Writer) -> None:
        nonlocal sent
        writer.write(STREAM_HEAD)
        for text in events:
            writer.write(chunk(text))
            sent += len(text)
            await writer.drain()
        writer.write(chunk(event(b"[DONE]")) + LAST_CHUNK)

    async with relayed(flood, seen, window=4096) as client:
        head = await client.head()
        assert head.headers["x-request-id"].startswith("req-")
        before = -1
        while before != sent:  # until the upstream can send no more
            before = sent
            await asyncio.sleep(0.1)
        assert sent < sum(map(len, events)) // 2
        assert await body_of(client) == b"".join(events) + event(b"[DONE]")
    assert b"".join(seen) == b"".join(events) + event(b"[DONE]")


async def test_a_reader_that_keeps_pace_gets_each_event_as_it_comes() -> None:
    seen: list[bytes] = []
    told = asyncio.Event()

    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD)
        for number in range(50):
            told.clear()
            writer.write(chunk(event(b"%d" % number)))
            await told.wait()
        writer.write(chunk(event(b"[DONE]")) + LAST_CHUNK)

    async with relayed(script, seen, window=None) as client:
        await client.head()
        for number in range(50):
            assert await client.chunk() == event(b"%d" % number)
            told.set()
        assert await body_of(client) == event(b"[DONE]")


async def test_an_upstream_that_dies_is_told_as_the_last_event() -> None:
    seen: list[bytes] = []

    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD)
        for number in range(100):
            writer.write(chunk(event(b"%d" % number)))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(chunk(b"data: hal"))
        await writer.drain()
        writer.close()

    async with relayed(script, seen, window=None) as client:
        await client.head()
        body = await body_of(client)
    whole, _, error = body.rpartition(b"event: error\n")
    assert whole == b"".join(event(b"%d" % number) for number in range(100)) == b"".join(seen)
    assert b'"code":"worker_lost"' in error


async def test_a_client_that_leaves_in_mid_stream_ends_it_all() -> None:
    seen: list[bytes] = []
    gone = asyncio.Event()

    async def endless(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD)
        try:
            while not writer.is_closing():
                writer.write(chunk(event(b"x")))
                await writer.drain()
                await asyncio.sleep(0.001)
        finally:
            gone.set()

    async with relayed(endless, seen, window=None) as client:
        await client.head()
        await client.chunk()
        client.reset()
        await until(gone.is_set)
