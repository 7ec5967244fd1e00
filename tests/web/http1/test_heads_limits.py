"""Behind a known head the same limits hold as behind any other."""

from __future__ import annotations

import asyncio

import pytest

from server.core.errors import SlowRequest
from server.core.limits import MAX_PIPELINED, UNREAD_BYTES
from server.web.asgi import ASGIApp, Receive, Scope, Send
from tests.fakes.live_server import live_server
from tests.fakes.raw_client import raw_client
from tests.web.http1.apps import Stage, echo, piece, says, start, whole_body
from tests.web.http1.conftest import on_both_loops
from tests.web.http1.talk import GET, Server, Talk, bodies, echoed, refused, settle, sized
from tests.web.http1.taught import is_over, knows, taught

BODY = b"x" * (3 * UNREAD_BYTES)


async def known(app: ASGIApp, *requests: bytes) -> Talk:
    """A connection to `app`, at a server that knows the heads of these requests."""
    ready = await taught(*requests)
    assert all(knows(ready, request) for request in requests)
    server = Server(app)
    server.service.heads = ready.service.heads
    return server.connect()


async def test_more_known_requests_than_are_kept_are_answered_as_far_as_they_are() -> None:
    for last in (GET, GET + GET, sized(b"abc"), sized(b"abc")[:-1], sized(b"abc")[:-3]):
        stage = Stage()
        client = await known(stage.waiting, GET, sized(b"abc"))
        await client.say(GET * (MAX_PIPELINED + 1) + last)
        assert client.said == b""
        stage.go.set()
        for _ in range(MAX_PIPELINED):
            await settle()
        said = client.said
        assert said.count(b"HTTP/1.1 200 OK") == MAX_PIPELINED + 1
        assert refused(said[said.index(b"HTTP/1.1 503") :]) == (503, "too_many_connections")
        assert client.transport.ended
        assert client.protocol._service.unread_bytes == 0


async def test_known_requests_that_come_early_have_to_wait() -> None:
    stage = Stage()
    client = await known(stage.waiting, GET)
    await client.say(GET + GET)
    surplus = UNREAD_BYTES // len(GET) + 1
    await client.say(GET * surplus)
    assert client.transport.paused
    stage.go.set()
    for _ in range(surplus):
        await settle()
    assert bodies(client.said) == [b"/"] * (surplus + 2)
    assert not client.transport.paused


@pytest.mark.parametrize("first", [0, 100, UNREAD_BYTES, UNREAD_BYTES + 1])
async def test_a_body_nobody_reads_stops_its_client(first: int) -> None:
    take = asyncio.Event()
    taken: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await take.wait()
        taken.append(await whole_body(receive))
        await says(start(), piece(b""))(scope, receive, send)

    client = await known(app, sized(BODY))
    service = client.protocol._service
    await client.say(sized(BODY)[: -len(BODY)] + BODY[:first])
    assert client.transport.paused == (first > UNREAD_BYTES)
    if not client.transport.paused:
        await client.say(BODY[first : first + UNREAD_BYTES + 1])
        first += UNREAD_BYTES + 1
    assert client.transport.paused
    assert service.unread_bytes == first
    take.set()
    await settle()
    assert not client.transport.paused
    assert service.unread_bytes == 0
    await client.say(BODY[first:])
    assert taken == [BODY]


async def test_bodies_that_wait_are_bounded_over_all_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        await echo(scope, receive, send)

    ready = await taught(sized(b"x" * 200))
    monkeypatch.setattr("server.web.http1.service.MAX_UNREAD_BYTES", 150)
    server = Server(app)
    server.service.heads = ready.service.heads
    clients = [server.connect() for _ in range(3)]
    for client in clients:
        await client.say(sized(b"x" * 200)[:-100])
    assert [client.transport.paused for client in clients] == [False, True, True]
    go.set()
    await settle()
    assert not [client for client in clients if client.transport.paused]
    for client in clients:
        (said,) = echoed(await client.say(b"x" * 100))
        assert len(said["body"]) == 200
    assert server.service.unread_bytes == 0


@pytest.mark.parametrize("behind", [b"G", GET[:-1], b"\r\nGET", sized(b"")[:-4]])
async def test_half_a_head_behind_a_known_request_has_the_time_of_a_head(
    behind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.web.http1.deadline.HEADERS_S", 0.05)
    together = await known(echo, GET)
    await together.say(GET + behind)
    apart = await known(echo, GET)
    await apart.say(GET)
    await apart.say(behind)
    drips = await known(echo, GET)
    await drips.say(GET + behind[:1], behind[1:])
    await asyncio.sleep(0.1)
    for client in (together, apart, drips):
        first, _, last = client.said.partition(b"HTTP/1.1 408")
        assert len(echoed(first)) == 1
        assert refused(b"HTTP/1.1 408" + last) == (408, "request_timeout")


async def test_who_is_answered_before_its_body_has_come_must_send_it_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.web.http1.deadline.LINGER_S", 0.05)
    client = await known(says(start(413), piece(b"no")), sized(b"abcd"))
    assert (await client.say(sized(b"abcd")[:-2])).endswith(b"no")
    assert not client.transport.closing
    await asyncio.sleep(0.1)
    assert client.transport.closing
    client = await known(says(start(413), piece(b"no")), sized(b"abcd"), GET)
    await client.say(sized(b"abcd")[:-2])
    await client.say(b"cd" + GET)
    assert bodies(client.said) == [b"no", b"no"]
    await asyncio.sleep(0.1)
    assert not client.transport.closing


async def test_a_body_that_stops_coming_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.web.http1.deadline.BODY_IDLE_S", 0.03)
    failures: list[Exception] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await whole_body(receive)
        except SlowRequest as error:
            failures.append(error)
            await says(start(408, (b"connection", b"close")), piece(b"slow"))(scope, receive, send)

    client = await known(app, sized(b"abcd"))
    await client.say(sized(b"abcd")[:-2])
    await asyncio.sleep(0.08)
    assert len(failures) == 1
    assert client.said.endswith(b"slow")


async def test_empty_lines_between_known_requests_are_no_growing_head() -> None:
    client = await known(echo, GET)
    for count in range(1, 21):  # 40,000 bytes of them in all
        await client.say(b"\r\n" * 1000)
        assert len(echoed(await client.say(GET))) == count
    assert not client.transport.closing


async def test_endless_empty_lines_are_refused_as_ever() -> None:
    client = await known(echo, GET)
    await client.say(GET)
    for _ in range(17):
        await client.say(b"\r\n" * 1000)
    assert client.said.count(b"HTTP/1.1 431") == 1


async def test_nothing_is_run_that_comes_behind_the_last_request() -> None:
    for last in (
        b"GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        b"GET /last HTTP/1.0\r\n\r\n",
        b"GET /last HTTP/1.1\r\n\r\n",
    ):
        ran: list[str] = []

        async def app(scope: Scope, receive: Receive, send: Send, ran: list[str] = ran) -> None:
            ran.append(scope["path"])
            await asyncio.sleep(0)
            await echo(scope, receive, send)

        client = await known(app, GET, sized(b"abc"))
        await client.say(last, GET, sized(b"abc") + GET)
        await settle()
        assert "/" not in ran and "/p" not in ran
        assert is_over(client)


async def test_who_leaves_in_a_known_body_leaves_nothing_behind() -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        assert (await receive())["type"] == "http.disconnect"

    client = await known(app, sized(b"abcd"))
    service = client.protocol._service
    await client.say(sized(b"abcd")[:-2])
    assert service.unread_bytes == 2
    await client.leave()
    assert service.unread_bytes == 0
    go.set()
    await settle()
    assert (len(service.tasks), len(service.connections)) == (0, 0)


@on_both_loops
async def test_large_bodies_behind_a_known_head_arrive_whole() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        size = 0
        while True:
            message = await receive()
            size += len(message["body"])
            if not message["more_body"]:
                break
            await asyncio.sleep(0.0005)
        await says(start(), piece(b"%d" % size))(scope, receive, send)

    async with live_server(app) as url, raw_client(url) as client:
        for _ in range(4):
            client.say(sized(b"x" * 1_000_000) + GET)
            assert (await client.answer()).body == b"1000000"
            assert (await client.answer()).body == b"0"
