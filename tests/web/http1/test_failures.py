"""Applications that fail, and what their clients see of it."""

from __future__ import annotations

import logging

import pytest

from server.web.asgi import ASGIApp, Receive, Scope, Send
from tests.web.http1.apps import START, Stage, piece, says, start
from tests.web.http1.talk import GET, Server, settle, talk

HEAD = GET.replace(b"GET", b"HEAD")


OLD = b"GET / HTTP/1.0\r\n\r\n"


@pytest.mark.parametrize("pieces", [[b"abcd"], [b"a", b"bcd"], [b"ab"], [b"a", b"b"], []])
async def test_a_body_that_is_not_as_long_as_was_said_is_cut(
    pieces: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    messages = [piece(part, more=True) for part in pieces]
    client = talk(says(start(200, (b"content-length", b"3")), *messages, piece(b"")))
    with caplog.at_level(logging.ERROR):
        said = await client.say(GET)
    assert client.transport.closing
    assert "content-length" in caplog.text
    if said.startswith(b"HTTP/1.1 200"):
        assert len(said.partition(b"\r\n\r\n")[2]) != 3  # no client takes it for the answer
    else:
        assert said.startswith(b"HTTP/1.1 500")  # nothing had been sent yet


async def test_nothing_is_sent_beyond_the_length_that_was_said() -> None:
    messages = [piece(b"abc", more=True), piece(b"d", more=True)]
    client = talk(says(start(200, (b"content-length", b"3")), *messages))
    assert (await client.say(GET)).endswith(b"\r\n\r\nabc")
    assert client.transport.closing


async def fails_before(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("a secret detail")


async def fails_with_its_head(scope: Scope, receive: Receive, send: Send) -> None:
    await send(dict(START))
    raise ValueError("a secret detail")


async def says_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    pass


async def says_nonsense(scope: Scope, receive: Receive, send: Send) -> None:
    await send(piece(b"no head"))


async def splits_a_header(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start(200, (b"x", b"a\r\nset-cookie: b")))


@pytest.mark.parametrize("request_", [GET, HEAD, OLD])
@pytest.mark.parametrize(
    "app", [fails_before, fails_with_its_head, says_nothing, says_nonsense, splits_a_header]
)
async def test_without_an_answer_there_is_a_500(
    app: ASGIApp, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    client = talk(app)
    with caplog.at_level(logging.ERROR):
        said = await client.say(request_)
    assert said.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert said.endswith(b"\r\n\r\n") == (request_ == HEAD)
    assert b"connection: close" in said and b"secret" not in said and b"cookie" not in said
    assert client.transport.closing
    assert "the application" in caplog.text


async def fails_after(scope: Scope, receive: Receive, send: Send) -> None:
    await send(dict(START))
    await send(piece(b"half", more=True))
    raise ValueError("a secret detail")


async def stops_after(scope: Scope, receive: Receive, send: Send) -> None:
    await send(dict(START))
    await send(piece(b"half", more=True))


@pytest.mark.parametrize("app", [fails_after, stops_after])
async def test_half_an_answer_is_cut(app: ASGIApp, caplog: pytest.LogCaptureFixture) -> None:
    client = talk(app)
    with caplog.at_level(logging.ERROR):
        said = await client.say(GET)
    assert said.endswith(b"4\r\nhalf\r\n")
    assert client.transport.closing
    assert "the application" in caplog.text


async def test_what_an_answer_has_no_place_for_is_an_error() -> None:
    failures: list[RuntimeError] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(200, (b"content-length", b"2")))
        for message in (start(), {"type": "http.response.push"}):
            with pytest.raises(RuntimeError) as caught:
                await send(message)
            failures.append(caught.value)
        await send(piece(b"ok"))
        for late in (start(), piece(b"more")):
            with pytest.raises(RuntimeError) as caught:
                await send(late)
            failures.append(caught.value)

    client = talk(app)
    assert (await client.say(GET)).endswith(b"ok")
    assert len(failures) == 4
    assert not client.transport.closing


async def test_a_cancelled_application_is_cut_and_stays_cancelled() -> None:
    stage = Stage()
    server = Server(stage.streaming)
    client = server.connect()
    await client.say(GET)
    (task,) = server.state.tasks
    task.cancel()
    await settle()
    assert task.cancelled()
    assert client.transport.closing
    assert not server.state.tasks
