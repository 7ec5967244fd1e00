"""A dialect that says as little as one can, at a real relay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from server.core.errors import BadAnswer
from server.core.strict_json import parse_object
from server.gateway.dialects.via import Interpreter, through
from server.gateway.relay import Relay
from server.web.asgi import Message, Receive, Scope, Send, read_body
from server.web.drain import Drain
from server.web.edge import Edge
from server.wire.fleet import TRANSLATED_HEADER
from tests.fakes.live_server import live_server
from tests.fakes.raw_client import raw_client
from tests.fakes.upstream import (
    LAST_CHUNK,
    STREAM_HEAD,
    Received,
    Script,
    Upstream,
    Writer,
    chunk,
    says,
    upstream,
    whole,
)
from tests.fakes.waiting import until
from tests.gateway.conftest import Served, gateway, view

CHUNKS = [b'data: {"choices":[{"delta":{"content":"%d"}}]}\n\n' % number for number in range(3)]
LAST = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


class Plain:
    """Tells the text alone, in lines."""

    def whole(self, answer: dict[str, Any]) -> Any:
        return {"said": answer["choices"][0]["message"]["content"]}

    def chunk(self, chunk: dict[str, Any]) -> bytes:
        text = chunk["choices"][0]["delta"].get("content", "")
        return f"{text}\n".encode() if text else b""

    def end(self) -> bytes:
        return b"end\n"

    def failure(self, error: dict[str, Any]) -> bytes:
        return f"failed: {error.get('code')}\n".encode()

    def ping(self) -> bytes:
        return b"ping\n"


class PlainApp:
    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fields = parse_object(await read_body(scope, receive, 1000))
        await through(self.relay, scope, receive, send, fields, Plain())


@asynccontextmanager
async def plain(script: Script) -> AsyncIterator[tuple[httpx.AsyncClient, Served, Upstream]]:
    """A client of the dialect, the gateway that it shares, and the worker."""
    async with (
        upstream(script) as worker,
        gateway(view(worker.url)) as served,
        live_server(Edge(PlainApp(served.parts.relay), Drain())) as url,
        httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as client,
    ):
        yield client, served, worker


ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
STREAM = ASK | {"stream": True}


def streams(*events: bytes) -> Script:
    return says(STREAM_HEAD + b"".join(map(chunk, events)) + LAST_CHUNK)


async def test_a_whole_answer_is_told_in_the_dialect_and_the_worker_is_asked_for_a_chat() -> None:
    said = b'{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":1}}'
    async with plain(says(whole(said, "200 OK", "x-ratelimit-odd: 7"))) as (client, _, worker):
        got = await client.post("/anything", json=ASK)
        assert (got.status_code, got.json()) == (200, {"said": "hi"})
        assert got.headers["x-ratelimit-odd"] == "7"
        assert worker.received[0].head.startswith(b"POST /v1/chat/completions ")
        assert json.loads(worker.received[0].body) == ASK


async def test_a_stream_is_told_in_the_dialect_and_ends_once() -> None:
    async with plain(streams(*CHUNKS, LAST, DONE)) as (client, _, _):
        got = await client.post("/", json=STREAM)
        assert got.text == "0\n1\n2\nend\n"
        assert got.headers["content-type"].startswith("text/event-stream")


async def test_a_stream_whose_end_is_only_its_finish_reason_ends_too() -> None:
    async with plain(streams(*CHUNKS, LAST)) as (client, _, _):
        assert (await client.post("/", json=STREAM)).text == "0\n1\n2\nend\n"


async def test_several_events_in_one_piece_are_all_told() -> None:
    async with plain(streams(b"".join(CHUNKS) + LAST + DONE)) as (client, _, _):
        assert (await client.post("/", json=STREAM)).text == "0\n1\n2\nend\n"


async def test_an_error_in_the_stream_is_the_last_that_is_told() -> None:
    error = b'event: error\ndata: {"error":{"code":"odd"}}\n\n'
    async with plain(streams(CHUNKS[0], error)) as (client, served, _):
        assert (await client.post("/", json=STREAM)).text == "0\nfailed: odd\n"
        assert served.fleet.in_flight() == {served.fleet.workers()[0].view.address: 0}


async def test_a_worker_that_hangs_up_is_told_as_a_failure() -> None:
    async def hangs_up(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(CHUNKS[0]))
        await writer.drain()
        writer.close()

    async with plain(hangs_up) as (client, _, _):
        assert (await client.post("/", json=STREAM)).text == "0\nfailed: worker_lost\n"


@pytest.mark.parametrize(
    "odd",
    [
        b'data: {"choices":[]}\n\n',
        b"data: {\n\n",
        b"data: 5\n\n",
        b'data: {"choices":[{"delta":null}]}\n\n',
    ],
)
async def test_an_event_that_makes_no_sense_ends_the_stream_as_a_failure(odd: bytes) -> None:
    async with plain(streams(CHUNKS[0], odd, CHUNKS[1], LAST, DONE)) as (client, _, _):
        assert (await client.post("/", json=STREAM)).text == "0\nfailed: worker_lost\n"


@pytest.mark.parametrize("odd", [b"{}", b'{"choices":[]}', b'{"choices":[{"message":null}]}'])
async def test_a_whole_answer_that_makes_no_sense_is_the_workers_failure(odd: bytes) -> None:
    async with plain(says(whole(odd))) as (client, _, _):
        got = await client.post("/", json=ASK)
        assert (got.status_code, got.json()["error"]["code"]) == (502, "upstream_failed")


async def test_an_error_of_the_worker_keeps_its_status_and_its_body() -> None:
    told = b'{"error":{"message":"too long","type":"invalid_request_error"}}'
    async with plain(says(whole(told, "400 Bad Request"))) as (client, _, _):
        got = await client.post("/", json=ASK)
        assert (got.status_code, got.content) == (400, told)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_closes_the_whole_chain(stream: bool) -> None:
    async def never_ends(_: Received, writer: Writer) -> None:
        if stream:
            writer.write(STREAM_HEAD + chunk(CHUNKS[0]))
        await writer.drain()
        while not writer.is_closing():
            await asyncio.sleep(0.01)
            if stream:
                writer.write(chunk(b": ping\n\n"))
                await writer.drain()

    async with plain(never_ends) as (client, served, worker):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.post("/", json=ASK | {"stream": stream})
        if stream:
            await until(worker.closed.is_set)
        await until(lambda: served.fleet.in_flight() == {worker.url: 0})


async def test_a_client_that_reads_slowly_gets_every_event_once_and_in_order() -> None:
    many = [
        b'data: {"choices":[{"delta":{"content":"%04d%b"}}]}\n\n' % (number, b"x" * 1000)
        for number in range(3000)
    ]
    async with plain(streams(*many, LAST, DONE)) as (client, _, _):
        url = str(client.base_url).rstrip("/")
        async with raw_client(url, window=4096) as slow:
            body = json.dumps(STREAM).encode()
            slow.say(
                b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            await slow.head()
            await asyncio.sleep(0.1)
            said = b""
            while piece := await slow.chunk():
                said += piece
    assert [line[:4] for line in said.splitlines()] == [b"%04d" % n for n in range(3000)] + [b"end"]


class Full:
    """A client that takes nothing at once."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def take_body(self) -> bytes | None:
        return None

    def send_now(self, piece: bytes) -> bool:
        return False

    async def receive(self) -> Message:
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)


async def test_what_could_not_be_sent_at_once_comes_before_what_follows_it() -> None:
    full = Full()
    between = Interpreter(full.receive, full.send, b"{}", Plain(), "req")
    assert not between.send_now(CHUNKS[0])
    await between.send({"type": "http.response.body", "body": CHUNKS[0], "more_body": True})
    assert not between.send_now(CHUNKS[1])
    error = b'event: error\ndata: {"error":{"code":"late"}}\n\n'
    await between.send({"type": "http.response.body", "body": error})
    told = [(message["body"], message["more_body"]) for message in full.sent]
    assert told == [(b"0\n", True), (b"1\nfailed: late\n", False)]


async def test_an_event_of_which_nothing_is_told_needs_no_sending() -> None:
    full = Full()
    between = Interpreter(full.receive, full.send, b"{}", Plain(), "req")
    assert between.send_now(b'data: {"choices":[{"delta":{}}]}\n\n')
    await between.send({"type": "http.response.body", "body": LAST, "more_body": True})
    assert full.sent == []


async def test_a_comment_that_comes_alone_is_a_ping_until_the_end() -> None:
    full = Full()
    between = Interpreter(full.receive, full.send, b"{}", Plain(), "req")
    for events in (b": still here\n\n", DONE, b": still here\n\n"):
        await between.send({"type": "http.response.body", "body": events, "more_body": True})
    assert [message["body"] for message in full.sent] == [b"ping\n", b"end\n"]


class Speechless(Plain):
    """Stumbles over its last word, and over errors that are odd."""

    def end(self) -> bytes:
        raise AttributeError("it has none")

    def failure(self, error: dict[str, Any]) -> bytes:
        if error.get("code") == "odd":
            raise TypeError("what is that?")
        return super().failure(error)


def told_by(telling: Plain) -> tuple[Full, Interpreter]:
    full = Full()
    return full, Interpreter(full.receive, full.send, b"{}", telling, "req")


async def test_an_end_that_makes_no_sense_is_a_failure() -> None:
    full, between = told_by(Speechless())
    await between.send({"type": "http.response.body", "body": LAST, "more_body": True})
    await between.send({"type": "http.response.body", "body": b""})
    (last,) = full.sent
    assert (last["body"], last["more_body"]) == (b"failed: upstream_failed\n", False)


@pytest.mark.parametrize("odd", [DONE, b'event: error\ndata: {"error":{"code":"odd"}}\n\n'])
async def test_last_words_that_make_no_sense_leave_room_for_an_error(odd: bytes) -> None:
    full, between = told_by(Speechless())
    with pytest.raises(BadAnswer):
        between.send_now(odd)
    error = b'event: error\ndata: {"error":{"code":"late"}}\n\n'
    await between.send({"type": "http.response.body", "body": error})
    assert [message["body"] for message in full.sent] == [b"failed: late\n"]


async def test_an_answer_is_remembered_by_the_path_that_was_asked_and_sent_as_translated() -> None:
    said = b'{"choices":[{"message":{"content":"hi"}}]}'
    async with plain(says(whole(said))) as (client, served, worker):
        await client.post("/anything", json=ASK, headers={"x-request-id": "req-of-this-test"})
        explained = served.parts.sight.explain("req-of-this-test")
        assert explained is not None
        assert (explained.path, explained.state) == ("/anything", "complete")
        assert worker.received[0].header(TRANSLATED_HEADER) == "1"
        own = await served.client.post("/v1/chat/completions", json=ASK)
        assert (own.content, worker.received[1].header(TRANSLATED_HEADER)) == (said, None)
