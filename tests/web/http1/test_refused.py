"""What no application gets to see, and what is merely ignored."""

from __future__ import annotations

import pytest

from server.core.limits import MAX_HEADER_BYTES
from server.web.asgi import Receive, Scope, Send
from tests.web.http1.apps import Stage, echo, piece, start
from tests.web.http1.talk import (
    CHUNKED,
    GET,
    POST,
    Server,
    bodies,
    echoed,
    refused,
    settle,
    sized,
    talk,
)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"hello\r\n\r\n", (400, "invalid_http")),
        (b"GET / HTTP/1.1\nhost: a\n\n", (400, "invalid_http")),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n", (400, "invalid_http")),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n", (400, "invalid_http")),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: \x00\r\n\r\n", (400, "invalid_http")),
        (b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n", (400, "invalid_http")),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, "invalid_http")),
        (POST + b"content-length: -1\r\n\r\n", (400, "invalid_http")),
        (POST + b"content-length: 1\r\ncontent-length: 1\r\n\r\na", (400, "invalid_http")),
        (POST + b"content-length: 1, 1\r\n\r\na", (400, "invalid_http")),
        (POST + b"content-length: 99999999999999999999\r\n\r\na", (400, "invalid_http")),
        (CHUNKED[:-2] + b"content-length: 1\r\n\r\na", (400, "invalid_http")),
        (POST + b"content-length: 1\r\n" + CHUNKED[len(POST) :], (400, "invalid_http")),
        (CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n", (400, "invalid_http")),
        (CHUNKED[:-2] + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", (400, "invalid_http")),
        (CHUNKED.replace(b"chunked", b"gzip, chunked"), (501, "unknown_coding")),
        (CHUNKED.replace(b"chunked", b"gzip"), (501, "unknown_coding")),
        (b"GET / HTTP/1.1\r\n\r\n", (400, "bad_host")),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", (400, "bad_host")),
        (b"GET / HTTP/1.1\r\nhost: x/../admin\r\n\r\n", (400, "bad_host")),
        (b"GET / HTTP/1.1\r\nhost: a?b\r\n\r\n", (400, "bad_host")),
        (b"GET / HTTP/1.1\r\nhost:\r\n\r\n", (400, "bad_host")),
        (b"GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n", (400, "bad_target")),
        (b"CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n", (400, "bad_target")),
        (b"GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", (400, "bad_target")),
        (b"GET * HTTP/1.1\r\nhost: a\r\n\r\n", (400, "bad_target")),
        (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", (505, "http_version")),
        (b"GET /\r\n\r\n", (505, "http_version")),
    ],
)
@pytest.mark.parametrize("split", [False, True])
async def test_what_is_not_our_http_is_refused_in_json(
    request_: bytes, expected: tuple[int, str], split: bool
) -> None:
    parts = [bytes([byte]) for byte in request_] if split else [request_]
    server = Server(echo)
    client = server.connect()
    assert refused(await client.say(*parts)) == expected
    assert client.transport.ended  # and then the rest is thrown away, not reset
    assert not server.state.tasks


async def test_a_good_request_is_answered_before_a_bad_one_is_refused() -> None:
    stage = Stage()
    client = talk(stage.waiting)
    assert await client.say(GET + b"nonsense\r\n\r\n") == b""
    stage.go.set()
    await settle()
    assert client.said.startswith(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n/HTTP/1.1 400 ")


async def test_a_body_that_turns_bad_ends_its_request() -> None:
    stage = Stage()
    server = Server(stage.waiting)
    client = server.connect()
    await client.say(CHUNKED + b"1\r\na\r\n")
    assert refused(await client.say(b"zz\r\n")) == (400, "invalid_http")
    assert stage.left.is_set()
    assert server.service.unread_bytes == 0


async def test_a_body_that_turns_bad_in_mid_answer_cuts_it() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(piece(b"half", more=True))
        await receive()
        await receive()

    client = talk(app)
    await client.say(CHUNKED + b"1\r\na\r\n")
    said = await client.say(b"zz\r\n")
    assert said.endswith(b"4\r\nhalf\r\n")
    assert client.transport.closing


async def test_a_body_that_turns_bad_after_its_answer_gets_no_second_one() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(piece(b"no"))

    client = talk(app)
    await client.say(CHUNKED + b"1\r\na\r\n", b"zz\r\n")
    assert bodies(client.said) == [b"no"]
    assert client.transport.ended


async def test_a_body_that_turns_bad_behind_another_request_is_refused_in_its_turn() -> None:
    stage = Stage()
    server = Server(stage.waiting)
    client = server.connect()
    assert await client.say(GET + CHUNKED + b"1\r\na\r\nzz\r\n") == b""
    stage.go.set()
    await settle()
    assert client.said.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 400 " in client.said
    assert server.service.unread_bytes == 0


@pytest.mark.parametrize("split", [False, True])
async def test_a_head_may_have_as_many_bytes_as_promised_and_no_more(split: bool) -> None:
    for surplus in (0, 1):
        room = MAX_HEADER_BYTES - len(GET) - len(b"x: \r\n") + surplus
        request = GET[:-2] + b"x: " + b"y" * room + b"\r\n\r\n"
        assert len(request) == MAX_HEADER_BYTES + surplus
        middle = len(request) // 2
        parts = [request[:middle], request[middle:]] if split else [request]
        said = await talk(echo).say(*parts)
        assert said.startswith(b"HTTP/1.1 431 " if surplus else b"HTTP/1.1 200 ")


async def test_a_head_is_not_too_large_because_of_the_body_that_comes_with_it() -> None:
    (said,) = echoed(await talk(echo).say(sized(b"x" * 100_000)))
    assert len(said["body"]) == 100_000


@pytest.mark.parametrize(
    "endless", [b"3;" + b"x" * 1000, b"0\r\n" + b"x: y\r\n" * 200, b"0\r\nx: " + b"y" * 1000]
)
async def test_endless_trailers_and_extensions_are_refused(endless: bytes) -> None:
    stage = Stage()
    client = talk(stage.waiting)
    await client.say(CHUNKED, endless)
    tail = b"x: y\r\n" * 200 if endless.endswith(b"\r\n") else b"x" * 1200
    await client.say(*[tail] * (MAX_HEADER_BYTES // len(tail) + 1))
    assert refused(client.said) == (400, "invalid_http")
    assert stage.left.is_set()


@pytest.mark.parametrize(
    "wish",
    [
        b"connection: Upgrade\r\nupgrade: websocket\r\n",
        b"connection: upgrade, http2-settings\r\nhttp2-settings: x\r\nupgrade: h2c\r\n",
    ],
)
@pytest.mark.parametrize("split", [False, True])
async def test_a_wish_to_upgrade_is_ignored_and_its_body_is_not(wish: bytes, split: bool) -> None:
    requests = [POST + wish + sized(b"hello")[len(POST) :], POST + wish + CHUNKED[len(POST) :]]
    stream = requests[0] + requests[1] + b"2\r\nhi\r\n0\r\n\r\n" + GET
    parts = [bytes([byte]) for byte in stream] if split else [stream]
    said = echoed(await talk(echo).say(*parts))
    assert [one["body"] for one in said] == ["hello", "hi", ""]
    assert not [header for header in said[0]["headers"] if header.startswith("upgrade")]
