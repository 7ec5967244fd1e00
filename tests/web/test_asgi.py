"""The same moves at our own server and at any other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from server.core.errors import BadRequest, Overloaded, RequestError, SlowRequest, TooLarge
from server.web.asgi import (
    ClientLeft,
    Header,
    Headers,
    Message,
    Receive,
    Scope,
    Send,
    found_in,
    header,
    read_body,
    send_json,
    send_problem,
    send_whole,
)
from tests.web.http1.talk import CHUNKED, GET, POST, Server, bodies, sized
from tests.web.http1.taught import forgetful

RAW: list[Header] = [(b"host", b"a"), (b"x", b"1"), (b"x", b"2"), (b"y", b"")]


@pytest.mark.parametrize("headers", [RAW, Headers(RAW)])
def test_of_several_headers_the_first_counts(headers: list[Header]) -> None:
    scope = {"headers": headers}
    assert [header(scope, name) for name in (b"x", b"y", b"z")] == [b"1", b"", None]
    assert list(headers) == RAW


def test_what_is_found_in_headers_is_looked_for_once_unless_it_fails() -> None:
    looks: list[int] = []

    def find(headers: Iterable[Header]) -> int:
        looks.append(sum(1 for _ in headers))
        if len(looks) == 1:
            raise BadRequest("not this time")
        return len(looks)

    def another(headers: Iterable[Header]) -> str:
        return "another"

    ours = Headers(RAW)
    with pytest.raises(BadRequest):
        found_in(ours, find)
    assert [found_in(ours, find) for _ in range(3)] == [2, 2, 2]
    assert found_in(ours, another) == "another"
    assert [found_in(RAW, find) for _ in range(2)] == [3, 4]
    assert found_in(Headers(RAW), find) == 5


def test_what_fails_for_lack_of_an_attribute_is_not_taken_for_another_server() -> None:
    calls: list[int] = []

    def find(headers: Iterable[Header]) -> int:
        calls.append(1)
        raise AttributeError("in here")

    with pytest.raises(AttributeError, match="in here"):
        found_in(Headers(RAW), find)
    assert len(calls) == 1


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what it has read, or why it could not."""
    try:
        body = await read_body(scope, receive, 8)
    except RequestError as error:
        await send_problem(send, error, "r1")
    else:
        await send_whole(send, 200, [], body)


GZIP = POST + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\nab"
REQUESTS = {
    "none": (GET, 200, b""),
    "whole": (sized(b"12345678"), 200, b"12345678"),
    "chunked": (CHUNKED + b"4\r\n1234\r\n4\r\n5678\r\n0\r\n\r\n", 200, b"12345678"),
    "identity": (GZIP.replace(b"gzip", b"identity"), 200, b"ab"),
    "too large": (sized(b"123456789"), 413, b"9 bytes; the most is 8"),
    "too large in chunks": (CHUNKED + b"9\r\n123456789\r\n0\r\n\r\n", 413, b"larger than 8"),
    "packed": (GZIP, 400, b"unsupported_encoding"),
}


@pytest.mark.parametrize(("request_", "status", "says"), REQUESTS.values(), ids=REQUESTS.keys())
@pytest.mark.parametrize("step", [1_000, 1, 7])
async def test_a_body_is_read_or_refused_the_same_each_time(
    request_: bytes, status: int, says: bytes, step: int
) -> None:
    parts = [request_[at : at + step] for at in range(0, len(request_), step)]
    server = Server(reading)
    for _ in range(4):  # from the third time on, its head is known
        client = server.connect()
        said = await client.say(*parts)
        assert said.startswith(b"HTTP/1.1 %d " % status)
        assert says in said
        await client.leave()
    assert server.service.unread_bytes == 0
    assert said == await forgetful(reading).connect().say(*parts)


def pieces(*messages: Message) -> Receive:
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    return receive


def part(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_another_server_gives_bodies_in_messages() -> None:
    scope: Scope = {"headers": []}
    one = pieces(part(b"12", more=True), part(b"", more=True), part(b"34", more=False))
    assert await read_body(scope, one, 8) == b"1234"
    assert await read_body(scope, pieces({"type": "http.request"}), 8) == b""
    with pytest.raises(TooLarge):
        await read_body(scope, pieces(part(b"123456789", more=True)), 8)
    with pytest.raises(ClientLeft):
        await read_body(scope, pieces(part(b"1", more=True), {"type": "http.disconnect"}), 8)


async def test_another_servers_slow_body_is_given_up() -> None:
    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(SlowRequest):
        await read_body({"headers": []}, never, 8, idle_s=0.01)


class Sent(list[dict[str, Any]]):
    async def send(self, message: Message) -> None:
        self.append(dict(message))


async def test_another_server_gets_whole_answers_in_two_messages() -> None:
    sent = Sent()
    await send_json(sent.send, {"a": 1}, 201)
    await send_whole(sent.send, 200, [], b"body", head_only=True)
    assert sent == [
        {
            "type": "http.response.start",
            "status": 201,
            "headers": [(b"content-type", b"application/json"), (b"content-length", b"7")],
        },
        {"type": "http.response.body", "body": b'{"a":1}'},
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]},
        {"type": "http.response.body", "body": b""},
    ]


async def test_a_problem_says_the_same_everywhere() -> None:
    error = Overloaded("full", retry_after_s=0.2)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send_problem(send, error, "r1")

    said = await Server(app).connect().say(GET)
    sent = Sent()
    await send_problem(sent.send, error, "r1")
    head = b"".join(b"\r\n%b: %b" % line for line in sent[0]["headers"])
    assert said == b"HTTP/1.1 429 Too Many Requests%b\r\n\r\n%b" % (head, sent[1]["body"])
    assert b"\r\nretry-after: 1\r\n" in said
    assert b"\r\nx-content-type-options: nosniff\r\n" in said
    assert bodies(said) == [sent[1]["body"]]


async def test_who_only_asks_for_the_head_of_a_file_hears_its_length() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send_whole(send, 200, [], b"x" * 77, head_only=scope["method"] == "HEAD")

    server = Server(app)
    said = await server.connect().say(GET.replace(b"GET", b"HEAD"))
    assert said == b"HTTP/1.1 200 OK\r\ncontent-length: 77\r\n\r\n"
    assert bodies(await server.connect().say(GET)) == [b"x" * 77]
