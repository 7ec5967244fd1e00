"""Answers that are poured, from servers on sockets, good and bad."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import permutations

import pytest

from server.clients.http import Answer, HTTPClient
from server.core.errors import BadAnswer, CutOff
from tests.fakes.loops import on_both_loops
from tests.fakes.upstream import (
    CLOSE_DELIMITED_HEAD,
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

pytestmark = on_both_loops


@pytest.fixture
async def client() -> AsyncIterator[HTTPClient]:
    http = HTTPClient(connect_s=1)
    yield http
    http.close()


async def poured(answer: Answer) -> bytes:
    parts: list[bytes] = []

    def sink(piece: bytes) -> bool:
        parts.append(piece)
        return True

    await answer.pour(sink)
    assert answer.ended
    return b"".join(parts)


def and_closes(*parts: bytes) -> Script:
    async def script(_: Received, writer: Writer) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        writer.close()

    return script


async def test_pieces_come_whole_in_order_and_as_soon_as_they_are_sent(client: HTTPClient) -> None:
    seen: list[bytes] = []
    told = asyncio.Event()

    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD)
        for number in range(20):
            told.clear()
            writer.write(chunk(b"%d." % number))
            await told.wait()
        writer.write(LAST_CHUNK)

    def sink(piece: bytes) -> bool:
        seen.append(piece)
        told.set()
        return True

    async with upstream(script) as fake, client.request(fake.origin, b"/") as answer:
        await answer.pour(sink)
    assert seen == [b"%d." % number for number in range(20)]


async def test_a_large_body_comes_whole(client: HTTPClient) -> None:
    body = b"".join(b"%08d" % number for number in range(500_000))
    async with upstream(says(whole(body))) as fake, client.request(fake.origin, b"/") as answer:
        assert await poured(answer) == body


async def test_behind_a_sink_that_says_no_the_server_has_to_wait_and_nothing_is_lost(
    client: HTTPClient,
) -> None:
    sent = 0

    async def flood(_: Received, writer: Writer) -> None:
        nonlocal sent
        writer.write(STREAM_HEAD)
        for number in range(600):
            writer.write(chunk(b"%08d" % number * 8_000))
            sent += 64_000
            await writer.drain()
        writer.write(LAST_CHUNK)

    seen: list[bytes] = []

    def once(piece: bytes) -> bool:
        seen.append(piece)
        return False

    async with upstream(flood) as fake, client.request(fake.origin, b"/") as answer:
        await answer.pour(once)
        before = -1
        while before != sent:  # until the server can send no more
            before = sent
            await asyncio.sleep(0.1)
        assert sent < 12_000_000
        assert len(seen) == 1
        while not answer.ended:
            await answer.pour(once)
    assert b"".join(seen) == b"".join(b"%08d" % number * 8_000 for number in range(600))


@pytest.mark.parametrize("at", [1, 3])
@pytest.mark.parametrize("error", [BadAnswer("enough"), KeyError("oh")])
async def test_what_a_sink_raises_arrives_and_the_server_is_left(
    client: HTTPClient, error: Exception, at: int
) -> None:
    async def endless(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD)
        while not writer.is_closing():
            writer.write(chunk(b"x"))
            await writer.drain()
            await asyncio.sleep(0.001)

    seen = 0

    def sink(piece: bytes) -> bool:
        nonlocal seen
        seen += 1
        if seen >= at:
            raise error
        return True

    async with upstream(endless) as fake:
        with pytest.raises(type(error)):
            async with client.request(fake.origin, b"/") as answer:
                await answer.pour(sink)
        async with asyncio.timeout(2):
            await fake.closed.wait()
        assert seen == at
        fake.script = says(whole(b"ok"))
        async with client.request(fake.origin, b"/") as answer:
            assert await poured(answer) == b"ok"
        assert fake.connections == 2


@pytest.mark.parametrize(
    ("half", "error"),
    [
        (STREAM_HEAD + chunk(b"one"), CutOff),
        (STREAM_HEAD + chunk(b"one") + b"ff\r\n", CutOff),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\none", CutOff),
        (STREAM_HEAD + chunk(b"one") + b"xyz\r\n", BadAnswer),
    ],
)
async def test_half_an_answer_is_given_as_far_as_it_goes_and_the_cut_is_told(
    client: HTTPClient, half: bytes, error: type[Exception]
) -> None:
    seen: list[bytes] = []

    def sink(piece: bytes) -> bool:
        seen.append(piece)
        return True

    async with upstream(and_closes(half)) as fake:
        with pytest.raises(error):
            async with client.request(fake.origin, b"/") as answer:
                await answer.pour(sink)
        assert b"".join(seen) == b"one"


async def test_a_body_without_length_ends_with_its_connection(client: HTTPClient) -> None:
    async with upstream(and_closes(CLOSE_DELIMITED_HEAD, b"one", b"two")) as fake:
        for number in range(1, 3):
            async with client.request(fake.origin, b"/") as answer:
                assert await poured(answer) == b"onetwo"
            assert fake.connections == number


@pytest.mark.parametrize("more", [b"garbage", whole(b"no"), b"\r\n\r\nHTTP/1.1 200 OK\r\n"])
async def test_garbage_behind_the_end_ends_the_connection_and_nothing_else(
    client: HTTPClient, more: bytes
) -> None:
    async with upstream(says(whole(b"ok") + more)) as fake:
        for number in range(1, 4):
            async with client.request(fake.origin, b"/") as answer:
                assert await poured(answer) == b"ok"
            assert fake.connections == number


async def test_who_is_cancelled_while_it_pours_leaves_the_server(client: HTTPClient) -> None:
    seen: list[bytes] = []

    async def trickle(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD)
        while not writer.is_closing():
            writer.write(chunk(b"x"))
            await writer.drain()
            await asyncio.sleep(0.001)

    def sink(piece: bytes) -> bool:
        seen.append(piece)
        return True

    async def fetch() -> None:
        async with client.request(fake.origin, b"/") as answer:
            await answer.pour(sink)

    async with upstream(trickle) as fake:
        task = asyncio.create_task(fetch())
        await until(lambda: len(seen) > 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        count = len(seen)
        async with asyncio.timeout(2):
            await fake.closed.wait()
        assert len(seen) == count


async def test_who_hangs_up_while_it_pours_is_cut_off(client: HTTPClient) -> None:
    async with upstream(says(STREAM_HEAD + chunk(b"one"))) as fake:
        with pytest.raises(CutOff):
            async with client.request(fake.origin, b"/") as answer:
                asyncio.get_running_loop().call_later(0.01, answer.abort)
                await poured(answer)


ODD = {
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, b""),
    "trailers": (STREAM_HEAD + b"2;a=b\r\nhi\r\n0\r\nx: y\r\n\r\n", 200, b"hi"),
    "interim": (b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n" + whole(b"late"), 200, b"late"),
    "hints": (b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" * 2 + whole(b"l"), 200, b"l"),
    "old": (
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 3\r\n\r\nold",
        200,
        b"old",
    ),
    "empty": (whole(b""), 200, b""),
    "an error": (whole(b"{}", "503 Service Unavailable"), 503, b"{}"),
    "an empty line behind it": (whole(b"ok") + b"\r\n", 200, b"ok"),
}


async def test_one_connection_serves_all_odd_answers_in_any_order(client: HTTPClient) -> None:
    async with upstream(says(b"")) as fake:
        for first, second in permutations(ODD.values(), 2):
            for answer_bytes, status, body in (first, second):
                fake.script = says(answer_bytes)
                async with client.request(fake.origin, b"/") as answer:
                    assert answer.status == status
                    assert await poured(answer) == body
                fake.script = says(whole(b"plain", "200 OK", "x-plain: 1"))
                async with client.request(fake.origin, b"/") as answer:
                    assert answer.header(b"x-plain") == b"1"
                    assert len(answer.headers) == 3
                    assert await answer.chunk() == b"plain"
        assert fake.connections == 1


@pytest.mark.parametrize(
    "last",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ],
)
async def test_a_server_that_will_close_is_asked_anew(client: HTTPClient, last: bytes) -> None:
    async with upstream(says(last)) as fake:
        for number in range(1, 4):
            async with client.request(fake.origin, b"/") as answer:
                assert await poured(answer) == b"ok"
            assert fake.connections == number


async def test_a_switch_of_protocols_is_no_answer(client: HTTPClient) -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
    async with upstream(says(switch + whole(b"ok"))) as fake:
        with pytest.raises(BadAnswer):
            async with client.request(fake.origin, b"/"):
                pass
