from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from pydantic import SecretStr

from server.clients.chat_stream import Piece
from server.clients.gateway import GatewayClient
from server.core.errors import (
    BadAnswer,
    BadRequest,
    ConnectFailed,
    ContextLengthExceeded,
    CutOff,
    Internal,
    ModelNotFound,
    Overloaded,
    RequestError,
    TransportError,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
    WorkerLost,
)
from server.wire.fleet import SECRET_HEADER
from server.wire.stats import Place
from tests.fakes.upstream import (
    CLOSE_DELIMITED_HEAD,
    LAST_CHUNK,
    STREAM_HEAD,
    Received,
    Upstream,
    Writer,
    chunk,
    says,
    upstream,
    whole,
)

SECRET = SecretStr("the-fleets-own-secret")
BODY = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
DONE = b"data: [DONE]\n\n"


def delta(text: str, **more: object) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None, **more}
    return b"data: " + json.dumps({"choices": [choice]}, ensure_ascii=False).encode() + b"\n\n"


def finish(reason: str = "stop") -> bytes:
    return delta("", finish_reason=reason)


@pytest.fixture
async def gateway() -> AsyncIterator[Upstream]:
    async with upstream(says(b"")) as fake:
        yield fake


def client_of(gateway: Upstream, key: str | None = None) -> GatewayClient:
    return GatewayClient(gateway.url, SecretStr(key) if key else None, SECRET)


async def said_by(gateway: Upstream, *parts: bytes, head: bytes = STREAM_HEAD) -> list[Piece]:
    chunked = head == STREAM_HEAD

    async def script(_: Received, writer: Writer) -> None:
        writer.write(head)
        for part in parts:
            writer.write(chunk(part) if chunked and part != LAST_CHUNK else part)
            await writer.drain()
            await asyncio.sleep(0.001)
        if not chunked or parts[-1:] != (LAST_CHUNK,):
            writer.close()

    gateway.script = script
    async with aclosing(client_of(gateway).chat(BODY, "r")) as pieces:
        return [piece async for piece in pieces]


async def test_a_stream_is_read_piece_by_piece(gateway: Upstream) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    last = b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"
    pieces = await said_by(gateway, delta("你"), delta("好 🙂"), finish(), last, DONE, LAST_CHUNK)
    assert "".join(piece.text for piece in pieces) == "你好 🙂"
    assert [piece.finish_reason for piece in pieces if piece.finish_reason] == ["stop"]
    assert pieces[-1].usage == usage
    sent = json.loads(gateway.received[0].body)
    assert sent == {**BODY, "stream": True, "stream_options": {"include_usage": True}}


async def test_events_may_be_cut_anywhere(gateway: Upstream) -> None:
    raw = delta("春眠") + delta("不觉晓") + finish() + DONE
    pieces = await said_by(gateway, *(raw[i : i + 1] for i in range(len(raw))), LAST_CHUNK)
    assert "".join(piece.text for piece in pieces) == "春眠不觉晓"


async def test_events_that_come_together_are_one_piece(gateway: Upstream) -> None:
    pieces = await said_by(gateway, delta("a") + delta("b") + finish("length") + DONE, LAST_CHUNK)
    assert pieces == [Piece("ab", "length", None)]


@pytest.mark.parametrize("head", [STREAM_HEAD, CLOSE_DELIMITED_HEAD], ids=["chunked", "close"])
async def test_a_stream_without_its_end_mark_is_cut_off(gateway: Upstream, head: bytes) -> None:
    with pytest.raises(CutOff):
        await said_by(gateway, delta("half"), head=head)


async def test_a_clean_end_without_an_end_mark_is_cut_off(gateway: Upstream) -> None:
    with pytest.raises(CutOff):
        await said_by(gateway, delta("half"), LAST_CHUNK)


async def test_text_before_an_error_event_arrives(gateway: Upstream) -> None:
    error = {"error": {"message": "gone", "code": "worker_lost", "type": "upstream_error"}}
    event = b"event: error\ndata: " + json.dumps(error).encode() + b"\n\n"
    got: list[str] = []
    gateway.script = says(STREAM_HEAD + chunk(delta("half") + event) + LAST_CHUNK)
    with pytest.raises(WorkerLost, match="gone"):
        async for piece in client_of(gateway).chat(BODY, "r"):
            got.append(piece.text)
    assert got == ["half"]


@pytest.mark.parametrize("garbage", [b"data: {\n\n", b"data: [1]\n\n", b'data: "x"\n\n'])
async def test_events_that_are_no_objects_are_a_bad_answer(
    gateway: Upstream, garbage: bytes
) -> None:
    with pytest.raises(BadAnswer):
        await said_by(gateway, garbage, LAST_CHUNK)


@pytest.mark.parametrize(
    "event",
    [
        {"choices": None},
        {"choices": [None]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"content": 7}}]},
        {"usage": {"prompt_tokens": -1, "completion_tokens": 1e99, "total_tokens": "x"}},
    ],
)
async def test_events_of_an_unknown_shape_say_nothing(gateway: Upstream, event: object) -> None:
    odd = b"data: " + json.dumps(event).encode() + b"\n\n"
    assert await said_by(gateway, odd, finish(), DONE, LAST_CHUNK) == [Piece("", "stop", None)]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("400 Bad Request", "context_length_exceeded", ContextLengthExceeded),
        ("400 Bad Request", "something_else", BadRequest),
        ("404 Not Found", "model_not_found", ModelNotFound),
        ("422 Unprocessable", None, BadRequest),
        ("429 Too Many", "overloaded", Overloaded),
        ("500 Oh", None, Internal),
        ("502 Bad Gateway", None, UpstreamFailed),
        ("503 Unavailable", "worker_lost", WorkerLost),
        ("503 Unavailable", None, Unavailable),
        ("504 Late", None, UpstreamTimeout),
    ],
)
async def test_a_refusal_is_the_error_it_was_made_from(
    gateway: Upstream, status: str, code: str | None, kind: type[RequestError]
) -> None:
    body = json.dumps({"error": {"message": "why", "code": code}}).encode()
    gateway.script = says(whole(body, status, "retry-after: 7"))
    with pytest.raises(kind, match="why") as caught:
        await anext(client_of(gateway).chat(BODY, "r"))
    assert type(caught.value) is kind
    assert caught.value.retry_after_s == 7


async def test_a_refusal_in_html_is_still_typed(gateway: Upstream) -> None:
    gateway.script = says(whole(b"<h1>no</h1>", "503 No", "retry-after: soon"))
    with pytest.raises(Unavailable, match="503") as caught:
        await anext(client_of(gateway).chat(BODY, "r"))
    assert caught.value.retry_after_s is None


async def test_leaving_a_stream_hangs_up(gateway: Upstream) -> None:
    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(delta("a")))
        await writer.drain()
        await asyncio.Event().wait()

    gateway.script = script
    async with aclosing(client_of(gateway).chat(BODY, "r")) as pieces:
        await anext(pieces)
    connections = gateway.connections
    gateway.script = says(whole(b'{"data":[]}'))
    await client_of(gateway).models()
    assert gateway.connections == connections + 1


async def test_a_gateway_that_is_not_there_is_a_failed_connection(gateway: Upstream) -> None:
    gateway.stop()
    with pytest.raises(ConnectFailed):
        await anext(client_of(gateway).chat(BODY, "r"))
    with pytest.raises(TransportError):
        await client_of(gateway).count_tokens("echo", [])


async def test_key_secret_and_request_id_go_where_they_belong(gateway: Upstream) -> None:
    gateway.script = says(whole(b'{"position":3}'))
    client = client_of(gateway, "sk-mine-0123")
    assert await client.place_in_queue("abc-1") == Place(position=3)
    asked = gateway.received[0]
    assert asked.head.startswith(b"GET /shortline/queue/abc-1 ")
    assert asked.header(SECRET_HEADER) == SECRET.get_secret_value()
    gateway.script = says(STREAM_HEAD + chunk(finish() + DONE) + LAST_CHUNK)
    async for _ in client.chat(BODY, "abc-2"):
        pass
    asked = gateway.received[1]
    assert asked.header(SECRET_HEADER) is None
    assert asked.header("authorization") == "Bearer sk-mine-0123"
    assert asked.header("x-request-id") == "abc-2"


async def test_what_the_gateway_does_not_know_is_none(gateway: Upstream) -> None:
    gateway.script = says(whole(b'{"error":{"code":"not_found"}}', "404 Not Found"))
    client = client_of(gateway)
    assert await client.place_in_queue("x") is None
    assert await client.count_tokens("echo", [{"role": "user", "content": "x"}]) is None
    gateway.script = says(whole(b'{"count":12,"max_model_len":64,"tokens":[]}'))
    assert await client.count_tokens("echo", []) == 12


async def test_a_chat_whose_model_is_being_loaded_has_time(
    gateway: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.clients.gateway.FIRST_S", 0.2)
    is_loaded = asyncio.Event()

    async def script(asked: Received, writer: Writer) -> None:
        if asked.head.startswith(b"GET /shortline/queue/slow "):
            writer.write(whole(b'{"position":0,"loading":true,"done":0.5}'))
            return
        await is_loaded.wait()
        writer.write(STREAM_HEAD + chunk(delta("a") + finish() + DONE) + LAST_CHUNK)

    gateway.script = script
    client = client_of(gateway)
    chat = client.chat(BODY, "slow")
    answer = asyncio.create_task(anext(chat))
    end = asyncio.get_running_loop().time() + 0.5
    while asyncio.get_running_loop().time() < end:
        assert await client.place_in_queue("slow") == Place(position=0, loading=True, done=0.5)
    is_loaded.set()
    assert (await answer).text == "a"
    await chat.aclose()


async def test_a_gateway_that_says_nothing_of_loading_is_given_no_more_time(
    gateway: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.clients.gateway.FIRST_S", 0.2)

    async def script(asked: Received, writer: Writer) -> None:
        if asked.head.startswith(b"GET /shortline/queue/"):
            writer.write(whole(b'{"position":0}'))
        else:
            await asyncio.Event().wait()

    gateway.script = script
    client = client_of(gateway)
    answer = asyncio.create_task(anext(client.chat(BODY, "slow")))
    while not answer.done():
        await client.place_in_queue("slow")
    with pytest.raises(CutOff, match="silent"):
        await answer


async def test_a_silent_gateway_is_hung_up_on(
    gateway: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.clients.chat_stream.GRACE_S", 0.05)
    monkeypatch.setattr("server.clients.chat_stream.BETWEEN_TOKENS_S", 0.1)

    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(delta("a")))
        await writer.drain()
        await asyncio.sleep(30)

    gateway.script = script
    got = []
    with pytest.raises(CutOff, match="silent"):
        async with asyncio.timeout(3):
            async for piece in client_of(gateway).chat(BODY, "r"):
                got.append(piece.text)
    assert got == ["a"]


async def test_the_time_a_reader_takes_is_not_the_gateways(
    gateway: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.clients.chat_stream.GRACE_S", 0.02)
    monkeypatch.setattr("server.clients.chat_stream.BETWEEN_TOKENS_S", 0.05)
    gateway.script = says(STREAM_HEAD + chunk(delta("a")) + chunk(finish() + DONE) + LAST_CHUNK)
    async for _ in client_of(gateway).chat(BODY, "r"):
        await asyncio.sleep(0.3)
