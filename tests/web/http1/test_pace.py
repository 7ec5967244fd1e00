"""Streams and slow peers on real sockets, and servers that end."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from server.web.asgi import Receive, Scope, Send
from tests.fakes.live_server import live_server
from tests.fakes.raw_client import raw_client
from tests.web.http1.apps import START, Stage, piece, start
from tests.web.http1.conftest import on_both_loops
from tests.web.http1.talk import GET, settle, talk

POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n"


@on_both_loops
async def test_half_an_answer_looks_like_half_to_every_client() -> None:
    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await send(dict(START))
        await send(piece(b"half", more=True))
        await asyncio.sleep(0.02)
        raise ValueError("lost")

    async with live_server(half) as url:
        async with raw_client(url) as client:
            client.say(GET)
            with pytest.raises(asyncio.IncompleteReadError):
                await client.answer()
        async with raw_client(url) as client:
            client.say(b"GET / HTTP/1.0\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                await client.answer()


@on_both_loops
async def test_a_server_that_ends_hangs_up_on_the_idle_and_answers_the_rest() -> None:
    stage = Stage()
    live = AsyncExitStack()
    url = await live.enter_async_context(live_server(stage.waiting))
    async with raw_client(url) as silent, raw_client(url) as busy:
        busy.say(GET + GET)
        await stage.started.wait()
        ending = asyncio.create_task(live.aclose())
        assert await silent.rest() == b""
        stage.go.set()
        answer = await busy.answer()
        assert (answer.body, answer.headers["connection"]) == (b"/", "close")
        assert await busy.rest() == b""
        await ending


async def test_shutdown_cuts_no_stream_and_keeps_no_connection() -> None:
    stage = Stage()
    client = talk(stage.streaming)
    await client.say(GET)
    client.protocol.shutdown()
    assert not client.transport.closing
    stage.go.set()
    await settle()
    assert client.said.endswith(b"\r\n0\r\n\r\n")
    assert client.transport.closing


@on_both_loops
async def test_a_slow_reader_gets_everything_and_is_waited_for() -> None:
    pieces = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal pieces
        await send(dict(START))
        for pieces in range(1, 101):
            await send(piece(b"%06d" % pieces * 10_000, more=True))
        await send(piece(b""))

    async with live_server(app) as url, raw_client(url, window=4096) as client:
        client.say(GET)
        await client.head()
        await asyncio.sleep(0.1)
        assert pieces < 60  # the rest waits here, and not in memory
        body = b""
        while chunk := await client.chunk():
            body += chunk
        assert body == b"".join(b"%06d" % n * 10_000 for n in range(1, 101))


@on_both_loops
async def test_a_large_upload_arrives_whole_at_a_slow_application() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        size = 0
        while True:
            message = await receive()
            size += len(message["body"])
            if not message["more_body"]:
                break
            await asyncio.sleep(0.0005)
        await send(start())
        await send(piece(b"%d" % size))

    async with live_server(app) as url, raw_client(url) as client:
        body = b"x" * 5_000_000
        client.say(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body))
        client.say(body)
        assert (await client.answer()).body == b"5000000"
        client.say(GET)
        assert (await client.answer()).body == b"0"


@on_both_loops
async def test_the_head_of_a_stream_is_there_before_its_first_event() -> None:
    stage = Stage()
    async with live_server(stage.streaming) as url, raw_client(url) as client:
        client.say(GET)
        assert (await client.head()).headers == {"transfer-encoding": "chunked"}
        stage.go.set()
        assert await client.chunk() == b"one"
        assert await client.chunk() == b""
