"""The hot path's client against servers that misbehave in every way we know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.clients.http import Answer, HTTPClient
from server.clients.origin import Origin
from server.core.errors import BadAnswer, ConnectFailed, CutOff
from tests.fakes.upstream import (
    CLOSE_DELIMITED_HEAD,
    LAST_CHUNK,
    STREAM_HEAD,
    Received,
    Writer,
    chunk,
    says,
    upstream,
    whole,
)
from tests.fakes.waiting import until


@pytest.fixture
async def client() -> AsyncIterator[HTTPClient]:
    http = HTTPClient(connect_s=1)
    yield http
    http.close()


async def body_of(answer: Answer) -> bytes:
    parts = []
    while part := await answer.chunk():
        parts.append(part)
    return b"".join(parts)


async def fetch(client: HTTPClient, origin: Origin, body: bytes = b"{}") -> tuple[int, bytes]:
    async with client.request(origin, b"/v1/x", body) as answer:
        return answer.status, await body_of(answer)


async def test_what_is_sent_is_what_arrives(client: HTTPClient) -> None:
    async with upstream(says(whole(b"ok"))) as fake:
        async with client.request(
            fake.origin, b"/v1/x", b'{"a": 1}', [(b"x-request-id", b"r1")]
        ) as answer:
            assert (answer.status, await body_of(answer)) == (200, b"ok")
        sent = fake.received[0]
        assert sent.head.startswith(b"POST /v1/x HTTP/1.1\r\nhost: 127.0.0.1:")
        assert sent.header("x-request-id") == "r1"
        assert sent.body == b'{"a": 1}'


async def test_a_connection_serves_one_request_after_another(client: HTTPClient) -> None:
    async with upstream(says(whole(b"ok"))) as fake:
        for _ in range(5):
            assert await fetch(client, fake.origin) == (200, b"ok")
        assert fake.connections == 1


async def test_a_kept_connection_that_its_server_closed_is_replaced(client: HTTPClient) -> None:
    async def answer_then_close(_: Received, writer: Writer) -> None:
        writer.write(whole(b"ok"))
        await writer.drain()
        writer.close()

    async with upstream(answer_then_close) as fake:
        for _ in range(3):
            assert await fetch(client, fake.origin) == (200, b"ok")


async def test_chunks_come_as_they_were_framed(client: HTTPClient) -> None:
    answer = STREAM_HEAD + chunk(b"one") + chunk("二🙂".encode()) + LAST_CHUNK
    async with upstream(says(answer)) as fake:
        assert await fetch(client, fake.origin) == (200, "one二🙂".encode())


async def test_a_body_without_length_ends_with_its_connection(client: HTTPClient) -> None:
    async def script(_: Received, writer: Writer) -> None:
        writer.write(CLOSE_DELIMITED_HEAD + b"all of it")
        await writer.drain()
        writer.close()

    async with upstream(script) as fake:
        assert await fetch(client, fake.origin) == (200, b"all of it")


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        STREAM_HEAD + chunk(b"one"),
        STREAM_HEAD + b"ff\r\nhal",
    ],
)
async def test_half_an_answer_is_cut_off(client: HTTPClient, half: bytes) -> None:
    async def script(_: Received, writer: Writer) -> None:
        writer.write(half)
        await writer.drain()
        writer.close()

    async with upstream(script) as fake:
        with pytest.raises(CutOff):
            await fetch(client, fake.origin)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        STREAM_HEAD + b"xyz\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 40_000,
    ],
)
async def test_nonsense_is_a_bad_answer(client: HTTPClient, nonsense: bytes) -> None:
    async with upstream(says(nonsense)) as fake:
        with pytest.raises(BadAnswer):
            await fetch(client, fake.origin)


async def test_an_interim_answer_is_passed_over(client: HTTPClient) -> None:
    async with upstream(says(b"HTTP/1.1 100 Continue\r\n\r\n" + whole(b"ok"))) as fake:
        assert await fetch(client, fake.origin) == (200, b"ok")


async def test_nobody_listening_is_a_failed_connection(client: HTTPClient) -> None:
    async with upstream(says(b"")) as fake:
        gone = fake.origin
    with pytest.raises(ConnectFailed):
        await fetch(client, gone)


async def test_a_name_without_address_is_a_failed_connection(client: HTTPClient) -> None:
    with pytest.raises(ConnectFailed):
        await fetch(client, Origin("no-such-host.invalid", 80))


async def test_leaving_early_closes_the_connection(client: HTTPClient) -> None:
    async def endless(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD)
        while not writer.is_closing():
            writer.write(chunk(b"x" * 1000))
            await writer.drain()

    async with upstream(endless) as fake:
        async with client.request(fake.origin, b"/", b"") as answer:
            assert await answer.chunk()
        async with asyncio.timeout(2):
            await fake.closed.wait()


async def test_cancelling_before_the_head_closes_the_connection(client: HTTPClient) -> None:
    asked = asyncio.Event()

    async def silent(_: Received, writer: Writer) -> None:
        asked.set()
        await writer.wait_closed()

    async with upstream(silent) as fake:
        task = asyncio.create_task(fetch(client, fake.origin))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("kept", [False, True], ids=["new connection", "kept connection"])
async def test_a_request_that_is_given_up_is_cut_off_and_not_sent_again(
    client: HTTPClient, kept: bool
) -> None:
    async def silent(_: Received, writer: Writer) -> None:
        await asyncio.sleep(60)

    async with upstream(says(whole(b"ok"))) as fake:
        if kept:
            await fetch(client, fake.origin)
        fake.script = silent
        answer = client.request(fake.origin, b"/v1/x", b"{}")

        async def leave() -> None:
            await until(lambda: len(fake.received) == 1 + kept)
            answer.abort()

        leaving = asyncio.create_task(leave())
        with pytest.raises(CutOff):
            async with answer:
                pass
        await leaving
        assert len(fake.received) == 1 + kept


async def test_a_request_that_is_given_up_before_it_begins_sends_nothing(
    client: HTTPClient,
) -> None:
    async with upstream(says(whole(b"ok"))) as fake:
        answer = client.request(fake.origin, b"/v1/x", b"{}")
        answer.abort()
        with pytest.raises(CutOff):
            async with answer:
                pass
        assert fake.received == []


async def test_a_reader_that_pauses_makes_the_server_wait(client: HTTPClient) -> None:
    sent = 0

    async def flood(_: Received, writer: Writer) -> None:
        nonlocal sent
        writer.write(STREAM_HEAD)
        for _chunk in range(2000):
            writer.write(chunk(b"x" * 64_000))
            sent += 64_000
            await writer.drain()
        writer.write(LAST_CHUNK)

    async with upstream(flood) as fake, client.request(fake.origin, b"/", b"") as answer:
        before = -1
        while before != sent:  # until the server can send no more
            before = sent
            await asyncio.sleep(0.1)
        assert sent < 20_000_000
        assert len(await body_of(answer)) == 128_000_000


async def test_a_request_that_kills_its_server_is_sent_there_once_more_at_most(
    client: HTTPClient,
) -> None:
    async def dies_of_poison(request: Received, writer: Writer) -> None:
        if request.body == b"poison":
            writer.close()
        else:
            writer.write(whole(b"ok"))

    async with upstream(dies_of_poison) as fake:
        await fetch(client, fake.origin)
        with pytest.raises(CutOff):
            await fetch(client, fake.origin, b"poison")
        assert [each.body for each in fake.received].count(b"poison") == 2


async def test_a_server_gone_after_the_request_was_sent_is_no_failed_connection(
    client: HTTPClient,
) -> None:
    async with upstream(says(whole(b"ok"))) as fake:
        await fetch(client, fake.origin)

        async def dies(_: Received, writer: Writer) -> None:
            fake.stop()
            writer.close()

        fake.script = dies
        with pytest.raises(CutOff):
            await fetch(client, fake.origin)


async def test_who_must_not_ask_twice_does_not() -> None:
    client = HTTPClient(ask_again=False)
    async with upstream(says(whole(b"ok"))) as fake:
        await fetch(client, fake.origin)

        async def closes(_: Received, writer: Writer) -> None:
            writer.close()

        fake.script = closes
        with pytest.raises(CutOff):
            await fetch(client, fake.origin)
        assert len(fake.received) == 2
    client.close()


async def test_two_answers_to_one_request_are_never_mixed(client: HTTPClient) -> None:
    second = whole(b"no", "500 Internal Server Error", "x-second: 1")
    async with upstream(says(whole(b"ok") + second)) as fake:
        async with client.request(fake.origin, b"/", b"") as answer:
            assert (answer.status, await body_of(answer)) == (200, b"ok")
            assert answer.header(b"x-second") is None


async def test_a_large_body_is_sent_whole(client: HTTPClient) -> None:
    async with upstream(says(whole(b"ok"))) as fake:
        await fetch(client, fake.origin, b"y" * 5_000_000)
        assert len(fake.received[0].body) == 5_000_000


async def test_words_that_nobody_asked_for_end_a_kept_connection(client: HTTPClient) -> None:
    async with upstream(says(whole(b"ok") + b"HTTP/1.1 200 OK\r\n")) as fake:
        for _ in range(3):
            assert await fetch(client, fake.origin) == (200, b"ok")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(1, 200), max_size=12))
async def test_where_the_bytes_are_cut_changes_nothing(cuts: list[int]) -> None:
    message = STREAM_HEAD + chunk("甲乙".encode() * 9) + chunk(b"\r\n0\r\n\r\n") + LAST_CHUNK

    async def script(_: Received, writer: Writer) -> None:
        at = 0
        for cut in sorted({min(cut, len(message)) for cut in cuts} | {len(message)}):
            writer.write(message[at:cut])
            await writer.drain()
            await asyncio.sleep(0)
            at = cut

    client = HTTPClient()
    async with upstream(script) as fake:
        assert await fetch(client, fake.origin) == (200, "甲乙".encode() * 9 + b"\r\n0\r\n\r\n")
    client.close()


def test_an_origin_is_read_from_an_address() -> None:
    assert Origin.parse("https://api.example.org/v1/") == Origin(
        "api.example.org", 443, True, "/v1"
    )
    assert Origin.parse("http://[::1]:8000").authority == b"[::1]:8000"
    for wrong in ("ftp://x", "example.org", "http://"):
        with pytest.raises(ValueError):
            Origin.parse(wrong)
