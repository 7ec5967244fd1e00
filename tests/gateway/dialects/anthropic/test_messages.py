"""Anthropic's form at a real gateway, in front of scriptable workers; the client is any program."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from server.core.settings import GatewaySettings
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from server.ledger.usage import Usage
from tests.fakes.upstream import (
    LAST_CHUNK,
    STREAM_HEAD,
    Received,
    Script,
    Writer,
    chunk,
    says,
    upstream,
    whole,
)
from tests.fakes.waiting import until
from tests.gateway.conftest import Served, gateway, view
from tests.gateway.dialects.anthropic.said import events_in

Json = dict[str, Any]
MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
ASK: Json = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
ANSWER = (
    b'{"model":"m","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":40,"completion_tokens":2,"total_tokens":42}}'
)
ONE = b'data: {"choices":[{"delta":{"content":"one"}}]}\n\n'
LAST = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
USED = b'data: {"choices":[],"usage":{"prompt_tokens":40,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"


def streams(*events: bytes) -> Script:
    return says(STREAM_HEAD + b"".join(map(chunk, events)) + LAST_CHUNK)


def refused(answer: httpx.Response, status: int, kind: str) -> Json:
    """The error, once all that Anthropic promises of one is seen to be there."""
    told: Json = answer.json()
    assert (answer.status_code, told["type"], told["error"]["type"]) == (status, "error", kind)
    assert told["error"]["message"]
    assert told["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]
    error: Json = told["error"]
    return error


def booked(served: Served) -> Sequence[Usage]:
    return served.parts.customers._tallies.take()


async def test_an_answer_is_asked_for_as_a_chat_and_booked_as_one() -> None:
    async with upstream(says(whole(ANSWER))) as worker, gateway(view(worker.url)) as served:
        got = await served.client.post(MESSAGES, json=ASK, headers={"anthropic-version": "odd"})
        assert got.json()["content"] == [{"type": "text", "text": "hi", "citations": None}]
        assert got.headers["request-id"] == got.headers["x-request-id"]
        assert worker.received[0].head.startswith(b"POST /v1/chat/completions ")
        (row,) = booked(served)
        assert (row.requests, row.failed, row.prompt_tokens, row.completion_tokens) == (1, 0, 40, 2)


async def test_a_stream_is_told_in_typed_events_with_its_usage() -> None:
    async with (
        upstream(streams(ONE, LAST, USED, DONE)) as worker,
        gateway(view(worker.url)) as served,
    ):
        got = await served.client.post(MESSAGES, json=ASK | {"stream": True})
        assert got.headers["content-type"].startswith("text/event-stream")
        assert got.headers["request-id"]
        events = events_in(got.content)
        assert [event["type"] for event in events] == [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
        assert events[4]["usage"]["input_tokens"] == 40
        assert json.loads(worker.received[0].body)["stream_options"] == {"include_usage": True}
        (row,) = booked(served)
        assert (row.failed, row.prompt_tokens, row.completion_tokens) == (0, 40, 2)


async def test_a_worker_that_dies_ends_the_stream_with_an_error_event() -> None:
    async def dies(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(ONE))
        await writer.drain()
        writer.close()

    async with upstream(dies) as worker, gateway(view(worker.url)) as served:
        got = await served.client.post(MESSAGES, json=ASK | {"stream": True})
        *_, last = events_in(got.content)
        assert (last["type"], last["error"]["type"]) == ("error", "api_error")
        assert last["request_id"] == got.headers["request-id"]


async def test_another_worker_goes_on_with_a_stream_and_nothing_is_told_twice() -> None:
    two = ONE.replace(b"one", b" two")
    answers = iter([(ONE, b""), (ONE, two, LAST, USED, DONE)])

    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + b"".join(map(chunk, next(answers))))
        await writer.drain()
        writer.close()

    async with (
        upstream(script) as first,
        upstream(script) as second,
        gateway(view(first.url), view(second.url)) as served,
    ):
        greedy = ASK | {"stream": True, "temperature": 0}
        events = events_in((await served.client.post(MESSAGES, json=greedy)).content)
        deltas = [event["delta"]["text"] for event in events if "text" in event.get("delta", {})]
        assert "".join(deltas) == "one two"
        assert [event["type"] for event in events].count("content_block_start") == 1
        assert events[-1]["type"] == "message_stop"


async def test_another_worker_is_asked_while_nothing_has_been_told() -> None:
    busy = says(whole(b'{"error":{"message":"full"}}', "503 Full"))
    async with (
        upstream(busy) as full,
        upstream(says(whole(ANSWER))) as idle,
        gateway(view(full.url, slots=8), view(idle.url)) as served,
    ):
        for _ in range(4):
            assert (await served.client.post(MESSAGES, json=ASK)).status_code == 200


@pytest.mark.parametrize(
    ("status", "ours", "kind"),
    [
        ("400 Bad Request", 400, "invalid_request_error"),
        ("404 Not Found", 404, "not_found_error"),
        ("413 Too Large", 413, "request_too_large"),
        ("422 Odd", 422, "invalid_request_error"),
        ("429 Full", 429, "rate_limit_error"),
        ("500 Odd", 500, "api_error"),
        ("502 Odd", 502, "api_error"),
        ("503 Full", 503, "overloaded_error"),
        ("504 Late", 504, "timeout_error"),
    ],
)
async def test_what_the_worker_refuses_is_refused_in_anthropics_words(
    status: str, ours: int, kind: str
) -> None:
    told = b'{"error":{"message":"no","type":"x","param":"messages","code":"odd"}}'
    script = says(whole(told, status, "retry-after: 7"))
    async with upstream(script) as worker, gateway(view(worker.url)) as served:
        got = await served.client.post(MESSAGES, json=ASK)
        error = refused(got, ours, kind)
        assert got.headers["retry-after"] == "7"
        assert error["message"] == "no"
        assert error["details"] == {"error_code": "odd", "param": "messages"}


@pytest.mark.parametrize("body", [b'{"detail":[]}', b'{"error":"no"}', b'{"error":null}'])
async def test_a_refusal_in_nobodys_words_is_still_one(body: bytes) -> None:
    script = says(whole(body, "400 Bad Request"))
    async with upstream(script) as worker, gateway(view(worker.url)) as served:
        refused(await served.client.post(MESSAGES, json=ASK), 400, "invalid_request_error")


async def test_what_is_wrong_with_a_request_is_said_before_any_worker_is_asked() -> None:
    async with upstream(says(whole(ANSWER))) as worker, gateway(view(worker.url)) as served:
        post = served.client.post
        error = refused(await post(MESSAGES, content=b"{"), 400, "invalid_request_error")
        assert error["details"]["error_code"] == "invalid_json"
        error = refused(await post(MESSAGES, json={}), 400, "invalid_request_error")
        assert error["details"]["param"] == "model"
        refused(await post(MESSAGES, json=ASK | {"model": "x"}), 404, "not_found_error")
        refused(await served.client.get(MESSAGES), 405, "invalid_request_error")
        refused(await post(f"{MESSAGES}/batches", json={}), 404, "not_found_error")
        evil = await post(MESSAGES, json=ASK, headers={"host": "evil.example"})
        refused(evil, 403, "permission_error")
        large = await post(MESSAGES, content=b" " * (20 * 1024 * 1024 + 1))
        refused(large, 413, "request_too_large")
        deep = b'{"model":"m","max_tokens":1,"messages":' + b"[" * 9000 + b"]" * 9000 + b"}"
        refused(await post(MESSAGES, content=deep), 400, "invalid_request_error")
        many = ASK | {"messages": [{"role": "user", "content": 5}] * 10_000}
        refused(await post(MESSAGES, json=many), 400, "invalid_request_error")
        assert worker.received == []


async def test_without_workers_it_says_when_to_come_back() -> None:
    async with gateway(view("http://127.0.0.1:9")) as served:
        got = await served.client.post(MESSAGES, json=ASK)
        refused(got, 503, "overloaded_error")
        assert got.headers["retry-after"]


async def test_a_key_is_taken_from_either_header() -> None:
    settings = GatewaySettings(api_keys=(SecretStr("k" * 20), SecretStr("j" * 20)))
    async with (
        upstream(says(whole(ANSWER))) as worker,
        gateway(view(worker.url), settings=settings) as served,
    ):

        async def status(**headers: str) -> int:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return (await served.client.post(MESSAGES, json=ASK, headers=named)).status_code

        assert await status(x_api_key="k" * 20) == 200
        assert await status(authorization=f"Bearer {'k' * 20}") == 200
        assert await status(authorization="Basic eDp5", x_api_key="k" * 20) == 200
        assert await status(authorization="Bearer wrong", x_api_key="k" * 20) == 401
        assert await status(x_api_key="wrong") == 401
        assert await status(x_api_key="") == 401
        got = await served.client.post(MESSAGES, json=ASK)
        refused(got, 401, "authentication_error")


async def test_the_limits_of_a_key_hold(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    ledger = Ledger.open(file)
    wish = NewKey(name="a", requests_per_minute=1)
    _, text = ledger.create_key(wish, now=1.0)
    ledger.close()
    async with (
        upstream(says(whole(ANSWER))) as worker,
        gateway(view(worker.url), ledger_file=str(file)) as served,
    ):
        headers = {"x-api-key": text}
        first = await served.client.post(MESSAGES, json=ASK, headers=headers)
        assert first.headers["x-ratelimit-limit-requests"] == "1"
        second = await served.client.post(MESSAGES, json=ASK, headers=headers)
        refused(second, 429, "rate_limit_error")
        assert int(second.headers["retry-after"]) > 0


async def test_tokens_are_counted_where_the_worker_can() -> None:
    script = says(whole(b'{"count":7,"tokens":[1,2,3,4,5,6,7]}'))
    async with upstream(script) as worker, gateway(view(worker.url)) as served:
        asked = {"model": "m", "messages": ASK["messages"], "system": "s"}
        got = await served.client.post(COUNT, json=asked)
        assert (got.status_code, got.json()) == (200, {"input_tokens": 7})
        sent = worker.received[0]
        assert sent.head.startswith(b"POST /tokenize ")
        assert json.loads(sent.body)["messages"][0] == {"role": "system", "content": "s"}


async def test_where_it_cannot_the_client_hears_so() -> None:
    told = b'{"error":{"message":"It counts no tokens."}}'
    script = says(whole(told, "404 Not Found"))
    async with upstream(script) as worker, gateway(view(worker.url)) as served:
        refused(await served.client.post(COUNT, json=ASK), 404, "not_found_error")
    fastchat = view("http://127.0.0.1:9", protocol="fastchat", kind="fastchat")
    async with gateway(fastchat) as served:
        refused(await served.client.post(COUNT, json=ASK), 404, "not_found_error")
    async with upstream(says(whole(b"{}"))) as worker, gateway(view(worker.url)) as served:
        refused(await served.client.post(COUNT, json=ASK), 502, "api_error")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_closes_the_whole_chain(stream: bool) -> None:
    async def never_ends(_: Received, writer: Writer) -> None:
        if stream:
            writer.write(STREAM_HEAD + chunk(ONE))
        await writer.drain()
        while not writer.is_closing():
            await asyncio.sleep(0.01)
            if stream:
                writer.write(chunk(b": ping\n\n"))
                await writer.drain()

    async with upstream(never_ends) as worker, gateway(view(worker.url)) as served:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await served.client.post(MESSAGES, json=ASK | {"stream": stream})
        if stream:
            await until(worker.closed.is_set)
        await until(lambda: served.fleet.in_flight() == {worker.url: 0})
