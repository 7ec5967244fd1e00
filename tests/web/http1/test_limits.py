"""Rude connections, and too many of them."""

from __future__ import annotations

import asyncio
import json
import resource
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest

from server.web.asgi import Receive, Scope, Send, read_body, send_json
from server.web.drain import Drain
from server.web.edge import Edge
from server.web.http1 import connection, deadline, service
from tests.fakes.live_server import live_server
from tests.fakes.raw_client import RawClient, raw_client
from tests.fakes.waiting import until
from tests.web.http1.apps import START, Stage, echo, piece
from tests.web.http1.conftest import on_both_loops
from tests.web.http1.talk import GET, Server, settle, talk


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await read_body(scope, receive, 1000)
    await send_json(send, {"ok": True})


@asynccontextmanager
async def served() -> AsyncIterator[RawClient]:
    async with live_server(Edge(app, Drain())) as url, raw_client(url) as client:
        yield client


async def refusal(client: RawClient) -> tuple[int, str]:
    """Status and code of the last answer."""
    answer = await client.answer()
    assert answer.headers["content-type"] == "application/json"
    assert await client.rest() == b""
    return answer.status, json.loads(answer.body)["error"]["code"]


@on_both_loops
@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nhost: a\r\nx: y"])
async def test_a_connection_that_dawdles_over_its_head_is_closed(
    start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "HEADERS_S", 0.1)
    async with served() as client:
        client.say(start)
        assert await refusal(client) == (408, "request_timeout")


async def test_a_head_that_drips_is_closed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "HEADERS_S", 0.1)
    client = talk(echo)
    for byte in GET[:6]:
        await client.say(bytes([byte]))
        await asyncio.sleep(0.03)
    assert client.said.startswith(b"HTTP/1.1 408 ")


@on_both_loops
@pytest.mark.parametrize(
    "endless", [b"x: " + b"a" * 300_000, b"x: y\r\n" * 60_000], ids=["long", "many"]
)
async def test_endless_headers_are_refused(endless: bytes) -> None:
    async with served() as client:
        client.say(b"GET / HTTP/1.1\r\n" + endless)
        assert await refusal(client) == (431, "headers_too_large")


@on_both_loops
@pytest.mark.parametrize(
    "nonsense",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    ],
)
async def test_what_is_not_http_is_told_so_in_json(nonsense: bytes) -> None:
    async with served() as client:
        client.say(nonsense)
        assert await refusal(client) == (400, "invalid_http")


async def test_a_body_that_stops_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "BODY_IDLE_S", 0.1)
    async with served() as client:
        client.say(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50\r\n\r\nhalf")
        assert await refusal(client) == (408, "request_timeout")


async def test_a_body_that_drips_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BODY_S", 0.25)
    async with served() as client:
        client.say(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50\r\n\r\n")
        for _ in range(3):  # each well within the idle time
            client.say(b"x")
            await asyncio.sleep(0.1)
        assert await refusal(client) == (408, "request_timeout")


@on_both_loops
async def test_a_large_body_is_told_why_before_the_connection_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deadline, "LINGER_S", 0.1)
    async with served() as client:
        client.say(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5000000\r\n\r\n")
        client.say(b"x" * 200_000)
        assert await refusal(client) == (413, "request_too_large")


@on_both_loops
async def test_the_rest_of_a_refused_body_is_read_and_the_connection_kept() -> None:
    async with served() as client:
        client.say(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 200000\r\n\r\n")
        assert (await client.answer()).status == 413
        client.say(b"x" * 200_000 + GET)
        assert (await client.answer()).status == 200


@on_both_loops
async def test_who_wants_to_close_hears_why_its_body_was_refused() -> None:
    async with served() as client:
        client.say(
            b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5000000\r\n\r\n"
        )
        client.say(b"x" * 3_000_000)
        assert await refusal(client) == (413, "request_too_large")


async def test_headers_in_small_pieces_and_a_reused_connection_are_fine() -> None:
    async with served() as client:
        for _ in range(3):
            for byte in GET:
                client.say(bytes([byte]))
                await client.writer.drain()
            assert (await client.answer()).status == 200


async def test_an_empty_line_on_a_kept_connection_does_not_keep_it_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deadline, "HEADERS_S", 0.1)
    async with served() as client:
        client.say(GET)
        assert (await client.answer()).status == 200
        await asyncio.sleep(0.01)
        client.say(b"\r\n")
        assert await refusal(client) == (408, "request_timeout")


@on_both_loops
async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        service, "limits_s", lambda _: {**deadline.limits_s(0.1), deadline.HEAD: 0.05}
    )
    stage = Stage()
    async with live_server(stage.streaming) as url, raw_client(url) as client:
        client.say(GET)
        await asyncio.sleep(0.25)
        stage.go.set()
        assert (await client.answer()).body == b"one"
        began = asyncio.get_running_loop().time()
        assert await client.rest() == b""
        assert asyncio.get_running_loop().time() - began > 0.08


async def flood(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(dict(START))
    for _ in range(1000):
        await send(piece(b"x" * 65536, more=True))


@on_both_loops
async def test_a_client_that_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "WRITE_STALL_S", 0.1)
    monkeypatch.setattr(deadline, "_STALL_GRACE_S", 0.1)
    async with live_server(flood) as url, raw_client(url, window=4096) as client:
        client.say(GET)
        # A reset reaches this side only once it reads what the kernel holds, so look from outside.
        own = client.writer.get_extra_info("sockname")[1]
        await until(lambda: _established(int(url.rsplit(":", 1)[1]), own), limit_s=1)
        await until(lambda: not _established(int(url.rsplit(":", 1)[1]), own), limit_s=3)


def _established(server_port: int, client_port: int) -> bool:
    return any(
        c.status == psutil.CONN_ESTABLISHED
        and c.laddr.port == server_port
        and c.raddr.port == client_port
        for c in psutil.Process().net_connections("tcp")
        if c.raddr
    )


async def test_a_last_answer_that_nobody_reads_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deadline, "WRITE_STALL_S", 0.05)
    client = talk(echo)
    client.transport.close = lambda: None  # type: ignore[method-assign] # it waits for the reader
    await client.say(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert not client.transport.aborted
    await asyncio.sleep(0.1)
    assert client.transport.aborted


@on_both_loops
async def test_one_connection_too_many_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "most_connections", lambda: 16)
    async with live_server(Edge(app, Drain())) as url:
        host, port = url.removeprefix("http://").split(":")
        kept = [await asyncio.open_connection(host, int(port)) for _ in range(16)]
        async with raw_client(url) as client:
            client.say(GET)
            assert await refusal(client) == (503, "too_many_connections")
        for _, writer in kept:
            writer.close()
        await asyncio.sleep(0.05)
        async with raw_client(url) as client:
            client.say(GET)
            assert (await client.answer()).status == 200


async def test_who_is_told_so_is_bounded_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service, "most_connections", lambda: 16)
    server = Server(echo)
    clients = [server.connect() for _ in range(20)]
    await settle()
    assert [client.said[9:12] for client in clients] == [b""] * 16 + [b"503"] * 2 + [b""] * 2
    assert [client.transport.aborted for client in clients[-2:]] == [True, True]
    assert len(server.state.connections) == 18
    assert [record.getMessage() for record in caplog.records] == ["too many connections"]


def test_there_are_never_more_connections_than_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, most in ((1024, 768), (100_000, 10_000), (256, 192), (70, 6), (10, 1), (-1, 10_000)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, n=files: (n, n))
        assert service.most_connections() == most


async def test_an_idle_connection_is_small() -> None:
    """Beside its transport; the promise is 64 KiB with everything."""
    server = Server(echo)
    await server.connect().say(GET)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        clients = [server.connect() for _ in range(200)]
        for client in clients:
            await client.say(GET)
            client.transport.writes.clear()
        each = (tracemalloc.get_traced_memory()[0] - before) / len(clients)
    finally:
        tracemalloc.stop()
    assert each < 8 * 1024
