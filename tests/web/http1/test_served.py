"""What our own server does for an application beyond ASGI (`web.asgi.Served`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from server.web.asgi import ASGIApp, Header, Receive, Scope, Send, Served, served_by
from tests.web.http1.apps import START, echo, piece, says, start, whole_body
from tests.web.http1.talk import CHUNKED, GET, Server, bodies, settle, sized, talk
from tests.web.http1.taught import taught

HEAD = GET.replace(b"GET", b"HEAD")
OLD = b"GET / HTTP/1.0\r\n\r\n"
PLAIN: list[Header] = [(b"content-type", b"text/plain")]


def own(end: Receive | Send) -> Served:
    served = served_by(end)
    assert served is not None
    return served


def serving(act: Callable[[Served], Awaitable[None]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await act(own(send))

    return app


@pytest.mark.parametrize(
    "request_", [GET, HEAD, OLD, GET.replace(b"\r\n\r\n", b"\r\nx: y\r\n\r\n")]
)
@pytest.mark.parametrize("status", [200, 204, 304, 404])
@pytest.mark.parametrize("headers", [[], PLAIN, [*PLAIN, (b"content-length", b"5")]])
@pytest.mark.parametrize("size", [5, 0, 70_000])
async def test_a_whole_answer_at_once_is_the_same_as_in_two_messages(
    request_: bytes, status: int, headers: list[Header], size: int
) -> None:
    if len(headers) == 2 and size != 5:
        return  # the application lies
    body = b"x" * size
    client = talk(serving(lambda served: served.respond(status, headers, body)))
    other = talk(says(start(status, *headers), piece(body)))
    assert await client.say(request_) == await other.say(request_)
    assert client.transport.closing == other.transport.closing


async def test_an_answer_that_lies_about_its_length_is_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = talk(
        serving(lambda served: served.respond(200, [(b"content-length", b"4")], b"five!"))
    )
    assert (await client.say(GET)).startswith(b"HTTP/1.1 500 ")
    assert "content-length" in caplog.text


async def test_there_is_one_answer_to_a_request() -> None:
    async def twice(scope: Scope, receive: Receive, send: Send) -> None:
        served = own(send)
        await send(dict(START))
        with pytest.raises(RuntimeError, match="second answer"):
            await served.respond(200, [], b"no")
        with pytest.raises(RuntimeError, match="no place"):
            await send(dict(START))
        await send(piece(b"ok"))

    said = await talk(twice).say(GET)
    assert bodies(said) == [b"ok"]


async def test_an_answer_waits_for_a_client_that_reads_slowly() -> None:
    client = talk(serving(lambda served: served.respond(200, [], b"late")))
    client.protocol.pause_writing()
    assert await client.say(GET) == b""
    client.protocol.resume_writing()
    await settle()
    assert bodies(client.said) == [b"late"]


async def test_an_answer_to_a_client_that_has_left_is_for_nobody() -> None:
    go = asyncio.Event()
    done = asyncio.Event()

    async def act(served: Served) -> None:
        await go.wait()
        assert not served.send_now(b"no")
        await served.respond(200, [], b"no")
        done.set()

    client = talk(serving(act))
    await client.say(GET)
    await client.leave()
    go.set()
    await settle()
    assert done.is_set() and client.said == b""


async def test_lines_of_ours_come_behind_those_of_the_application() -> None:
    def adding(app: ASGIApp) -> ASGIApp:
        async def outer(scope: Scope, receive: Receive, send: Send) -> None:
            own(send).more_lines = b"\r\nx-a: 1\r\nx-b: 2"
            await app(scope, receive, send)

        return outer

    lines = b"\r\nx-y: z\r\nx-a: 1\r\nx-b: 2\r\n"
    named = (b"x-y", b"z")
    whole = says(start(200, named), piece(b"ok"))
    stream = says(start(200, named), piece(b"ok", more=True), piece(b""))
    at_once = serving(lambda served: served.respond(200, [named], b"ok"))
    for app in (whole, stream, at_once):
        for request in (GET, HEAD, OLD):
            assert lines in await talk(adding(app)).say(request)
    assert b"x-a" not in await talk(whole).say(GET)


async def test_what_can_be_sent_now_is_and_what_cannot_is_said_to_be() -> None:
    told: list[bool] = []
    steps: asyncio.Queue[bytes] = asyncio.Queue()

    async def act(scope: Scope, receive: Receive, send: Send) -> None:
        served = own(send)
        told.append(served.send_now(b"before the head"))
        await send(dict(START))
        told.append(served.send_now(b"before the head is out"))
        await send(piece(b"0", more=True))
        while (step := await steps.get()) != b"end":
            told.append(served.send_now(step))
        await send(piece(b""))
        told.append(served.send_now(b"after the end"))

    client = talk(act)
    await client.say(GET)
    assert told == [False, False]
    for step in (b"1", b"2", b"blocked", b"3", b"end"):
        if step == b"blocked":
            client.protocol.pause_writing()
        steps.put_nowait(step)
        await settle()
        if step == b"blocked":
            client.protocol.resume_writing()
    assert told == [False, False, True, True, False, True, False]
    assert client.said.endswith(b"\r\n\r\n1\r\n0\r\n1\r\n1\r\n1\r\n2\r\n1\r\n3\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("request_", "headers"), [(HEAD, []), (OLD, []), (GET, [(b"content-length", b"2")])]
)
async def test_only_chunks_are_sent_now(request_: bytes, headers: list[Header]) -> None:
    told: list[bool] = []

    async def act(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(200, *headers))
        await send(piece(b"a", more=True))
        told.append(own(send).send_now(b"b"))
        await send(piece(b"b"))

    said = await talk(act).say(request_)
    assert told == [False]
    assert said.endswith(b"\r\n\r\n" if request_ == HEAD else b"ab")


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_body_that_is_all_here_is_taken_at_once_and_no_other(is_known: bool) -> None:
    taken: list[bytes | None] = []

    async def act(scope: Scope, receive: Receive, send: Send) -> None:
        taken.append(own(receive).take_body())
        if taken[-1] is None:
            taken.append(await whole_body(receive))
        assert own(receive).take_body() is None
        await says(start(), piece(b""))(scope, receive, send)

    server = await taught(sized(b"abcd")) if is_known else Server(echo)
    server.service.app = act
    client = server.connect()
    await client.say(sized(b"abcd"))
    await client.say(sized(b"abcd")[:-2], b"cd")
    await client.say(GET)
    await client.say(CHUNKED + b"2\r\nab\r\n0\r\n\r\n")
    await client.say(CHUNKED + b"2\r\nab\r\n", b"0\r\n\r\n")
    assert taken == [b"abcd", None, b"abcd", b"", b"ab", None, b"ab"]
    assert server.service.unread_bytes == 0


async def test_the_rest_of_a_body_is_taken_too() -> None:
    taken: list[bytes | None] = []

    async def act(scope: Scope, receive: Receive, send: Send) -> None:
        taken.append((await receive())["body"])
        assert own(receive).take_body() is None
        await settle()
        taken.append(own(receive).take_body())
        await says(start(), piece(b""))(scope, receive, send)

    await talk(act).say(sized(b"abcd")[:-2], b"cd")
    assert taken == [b"ab", b"cd"]


async def test_who_listens_hears_once_that_the_client_left() -> None:
    heard: list[str] = []
    go = asyncio.Event()

    async def act(served: Served) -> None:
        served.listen(lambda: heard.append("first"))
        served.listen(None)
        served.listen(lambda: heard.append("second"))
        await go.wait()
        served.listen(lambda: heard.append("late"))
        served.listen(None)

    client = talk(serving(act))
    await client.say(GET)
    assert heard == []
    await client.leave()
    assert heard == ["second"]
    go.set()
    await settle()
    assert heard == ["second", "late"]


def test_other_servers_are_not_ours() -> None:
    class Other:
        async def send(self, message: object) -> None:
            pass

    async def send(message: object) -> None:
        pass

    assert served_by(Other().send) is None
    assert served_by(send) is None
