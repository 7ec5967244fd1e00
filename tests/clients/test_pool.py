"""The connections to one origin: what is kept, for how long, and what is sent on them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from server.clients import http as module
from server.clients.connection import Connection
from server.clients.http import HTTPClient
from tests.fakes.upstream import says, upstream, whole
from tests.fakes.waiting import until

FIXED = ((b"content-type", b"application/json"), (b"x-fixed", b"1"))


@pytest.fixture
async def client() -> AsyncIterator[HTTPClient]:
    http = HTTPClient(connect_s=1)
    yield http
    http.close()


async def test_the_same_headers_and_those_of_one_request_are_sent(client: HTTPClient) -> None:
    async with upstream(says(whole(b"ok"))) as fake:
        pool = client.at(fake.origin)
        for number in range(3):
            more = ((b"x-request-id", b"%d" % number), (b"x-more", b"m"))
            async with pool.request(b"/p", b"b" * number, FIXED, more=more) as answer:
                assert await answer.chunk() == b"ok"
        host = b"127.0.0.1:%d" % fake.origin.port
        assert [each.head for each in fake.received] == [
            b"POST /p HTTP/1.1\r\nhost: %b\r\ncontent-type: application/json\r\nx-fixed: 1\r\n"
            b"x-request-id: %d\r\nx-more: m\r\ncontent-length: %d\r\n\r\n" % (host, number, number)
            for number in range(3)
        ]
        assert fake.connections == 1


async def test_requests_that_begin_alike_are_not_mixed_up(client: HTTPClient) -> None:
    async with upstream(says(whole(b"ok"))) as fake:
        pool = client.at(fake.origin)
        asked = [
            (method, path, headers)
            for method in (b"GET", b"POST")
            for path in (b"/a", b"/b")
            for headers in ((), FIXED)
        ]
        for method, path, headers in asked * 2:
            async with pool.request(path, b"", headers, method=method) as answer:
                await answer.chunk()
        lines = [each.head.split(b" HTTP")[0] for each in fake.received]
        assert lines == [method + b" " + path for method, path, _ in asked * 2]
        assert [each.header("x-fixed") for each in fake.received] == [
            "1" if headers else None for _, _, headers in asked * 2
        ]


async def test_a_base_path_comes_before_every_path(client: HTTPClient) -> None:
    async with upstream(says(whole(b"ok"))) as fake:
        origin = fake.origin._replace(base_path="/base")
        async with client.request(origin, b"/v1/x", method=b"GET") as answer:
            await answer.chunk()
        assert fake.received[0].head.startswith(b"GET /base/v1/x HTTP/1.1\r\n")


async def test_only_so_many_beginnings_are_remembered(client: HTTPClient) -> None:
    async with upstream(says(whole(b"ok"))) as fake:
        pool = client.at(fake.origin)
        for number in range(3 * module.MAX_STARTS):
            pool.request(b"/%d" % number)
            client.request(fake.origin, b"/", b"", [(b"x-request-id", b"%d" % number)])
            assert len(pool._starts) <= module.MAX_STARTS
        async with pool.request(b"/0") as answer:
            await answer.chunk()
        assert fake.received[0].head.startswith(b"POST /0 HTTP/1.1\r\n")


async def test_one_pool_is_kept_for_each_origin(client: HTTPClient) -> None:
    async with upstream(says(whole(b"ok"))) as fake, upstream(says(whole(b"ok"))) as other:
        assert client.at(fake.origin) is client.at(fake.origin._replace())
        assert client.at(fake.origin) is not client.at(other.origin)
        assert client.at(fake.origin) is not client.at(fake.origin._replace(tls=True))
        assert client.at(fake.origin) is not client.at(fake.origin._replace(base_path="/x"))


async def test_a_closed_pool_keeps_nothing_now_and_later(client: HTTPClient) -> None:
    async with upstream(says(whole(b"ok"))) as fake:
        pool = client.at(fake.origin)
        async with pool.request(b"/") as answer:
            await answer.chunk()
        async with pool.request(b"/") as answer:
            client.forget(fake.origin)  # while it is being asked
            assert await answer.chunk() == b"ok"
        assert pool.take_idle() is None
        await until(fake.closed.is_set)
        async with pool.request(b"/") as answer:  # of who still holds it
            assert await answer.chunk() == b"ok"
        assert pool.take_idle() is None
        assert client.at(fake.origin) is not pool


async def test_connections_that_were_idle_for_long_are_not_used(
    client: HTTPClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with upstream(says(whole(b"ok"))) as fake:
        for number in (1, 2):
            async with client.request(fake.origin, b"/") as answer:
                await answer.chunk()
            assert fake.connections == number
            monkeypatch.setattr(module, "IDLE_S", 0.0)
        await until(fake.closed.is_set)


async def test_only_so_many_connections_are_kept(
    client: HTTPClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_IDLE", 2)
    async with upstream(says(whole(b"ok"))) as fake:
        pool = client.at(fake.origin)
        answers = [pool.request(b"/") for _ in range(4)]
        for answer in answers:
            await (await answer.__aenter__()).chunk()
        connections = [answer._connection for answer in answers]
        for answer in answers:
            await answer.__aexit__()
        kept: list[Connection | None] = [pool.take_idle() for _ in range(3)]
        assert kept == [connections[3], connections[2], None]
        await until(fake.closed.is_set)


async def test_a_client_that_is_closed_keeps_nothing() -> None:
    client = HTTPClient()
    async with upstream(says(whole(b"ok"))) as fake:
        pool = client.at(fake.origin)
        async with pool.request(b"/") as answer:
            await answer.chunk()
            client.close()
        assert pool.take_idle() is None
        await until(fake.closed.is_set)
