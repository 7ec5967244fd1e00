"""The promises of the hot path, against workers that break every one of theirs."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest

from server.web import relay
from server.wire.fleet import FleetView
from tests.fakes.upstream import (
    CLOSE_DELIMITED_HEAD,
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
from tests.gateway.conftest import gateway, view

CHAT = "/v1/chat/completions"
ONE = b'data: {"choices":[{"delta":{"content":"\xe4\xb8\x80"}}]}\n\n'
LAST = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


def breaks_after(*sent: bytes) -> Script:
    """Sends this much, then hangs up."""

    async def script(_: Received, writer: Writer) -> None:
        writer.write(b"".join(sent))
        await writer.drain()
        writer.close()

    return script


def error_of(body: bytes) -> dict[str, Any]:
    """The error in the last event of a stream."""
    event = body.decode().strip().rsplit("\n\n", 1)[-1]
    assert event.startswith("event: error\ndata: ")
    error: dict[str, Any] = json.loads(event.partition("data: ")[2])["error"]
    return error


async def test_a_whole_answer_is_passed_on_byte_for_byte(ask: dict[str, object]) -> None:
    odd = b'{ "choices": [],\n"new_field":\t1e3, "text":"\\u4e00" }'
    async with upstream(says(whole(odd))) as worker, gateway(view(worker.url)) as served:
        answer = await served.client.post(CHAT, json=ask)
        assert (answer.status_code, answer.content) == (200, odd)
        assert answer.headers["x-request-id"]


async def test_the_request_is_passed_on_byte_for_byte(ask: dict[str, object]) -> None:
    body = b'{"model" : "m",  "messages":[], "tools":[{"x":1.50}], "unknown":"\\u4f60"}'
    async with upstream(says(whole(b"{}"))) as worker, gateway(view(worker.url)) as served:
        await served.client.post(CHAT, content=body, headers={"x-request-id": "mine-1"})
        sent = worker.received[0]
        assert sent.body == body
        assert sent.header("x-request-id") == "mine-1"
        assert sent.header("x-shortline-secret") == "s" * 32
        assert sent.header("x-shortline-gateway") == "gw"


async def test_a_stream_is_passed_on_byte_for_byte(ask: dict[str, object]) -> None:
    answer = STREAM_HEAD + chunk(ONE) + chunk(b": ping\n\n" + LAST[:9]) + chunk(LAST[9:] + DONE)
    async with (
        upstream(says(answer + LAST_CHUNK)) as worker,
        gateway(view(worker.url)) as served,
    ):
        got = await served.client.post(CHAT, json=ask | {"stream": True})
        assert got.content == ONE + b": ping\n\n" + LAST + DONE
        assert got.headers["content-type"].startswith("text/event-stream")
        assert got.headers["x-accel-buffering"] == "no"


@pytest.mark.parametrize(
    "script",
    [
        breaks_after(STREAM_HEAD, chunk(ONE)),
        breaks_after(STREAM_HEAD, chunk(ONE + LAST[:12])),
        breaks_after(CLOSE_DELIMITED_HEAD, ONE),
        breaks_after(CLOSE_DELIMITED_HEAD, ONE, LAST[:12]),
        breaks_after(STREAM_HEAD, chunk(ONE), LAST_CHUNK),
    ],
    ids=["chunked cut", "inside an event", "close-delimited", "inside, closed", "no end mark"],
)
async def test_a_cut_stream_ends_in_an_error_and_no_done(
    script: Script, ask: dict[str, object]
) -> None:
    async with upstream(script) as worker, gateway(view(worker.url)) as served:
        got = await served.client.post(CHAT, json=ask | {"stream": True})
        assert got.content.startswith(ONE + b"event: error")
        assert error_of(got.content)["code"] == "worker_lost"
        assert b"[DONE]" not in got.content
        assert served.fleet.in_flight() == {worker.url: 0}


async def test_text_that_speaks_of_the_end_mark_is_no_end_mark(ask: dict[str, object]) -> None:
    talk = b'data: {"choices":[{"delta":{"content":"it ends with data: [DONE]"}}]}\n\n'
    script = breaks_after(CLOSE_DELIMITED_HEAD, talk)
    async with upstream(script) as worker, gateway(view(worker.url)) as served:
        got = await served.client.post(CHAT, json=ask | {"stream": True})
        assert error_of(got.content)["code"] == "worker_lost"


async def test_an_error_that_the_worker_told_is_told_once(ask: dict[str, object]) -> None:
    told = b'event: error\ndata: {"error":{"message":"the provider hung up"}}\n\n'
    answer = STREAM_HEAD + chunk(ONE) + chunk(told) + LAST_CHUNK
    async with upstream(says(answer)) as worker, gateway(view(worker.url)) as served:
        got = await served.client.post(CHAT, json=ask | {"stream": True})
        assert got.content == ONE + told


async def test_one_finished_choice_of_two_is_not_a_whole_answer(ask: dict[str, object]) -> None:
    script = breaks_after(CLOSE_DELIMITED_HEAD, ONE, LAST)
    async with upstream(script) as worker, gateway(view(worker.url)) as served:
        got = await served.client.post(CHAT, json=ask | {"stream": True, "n": 2})
        assert error_of(got.content)["code"] == "worker_lost"


async def test_a_request_that_kills_workers_kills_two_at_most(ask: dict[str, object]) -> None:
    def mortal() -> Script:
        async def script(request: Received, writer: Writer) -> None:
            if b"poison" in request.body:
                writer.close()
            else:
                writer.write(whole(b"{}"))

        return script

    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(upstream(mortal())) for _ in range(4)]
        served = await stack.enter_async_context(gateway(*(view(w.url) for w in workers)))
        for _ in range(24):  # so that every worker has a kept connection
            await served.client.post(CHAT, json=ask)
        got = await served.client.post(CHAT, json=ask | {"poison": 1})
        assert got.status_code == 503
        hit = [w for w in workers if any(b"poison" in r.body for r in w.received)]
        assert len(hit) == 2


async def test_a_stream_with_a_finish_reason_but_no_done_is_whole(ask: dict[str, object]) -> None:
    answer = STREAM_HEAD + chunk(ONE) + chunk(LAST) + LAST_CHUNK
    async with upstream(says(answer)) as worker, gateway(view(worker.url)) as served:
        got = await served.client.post(CHAT, json=ask | {"stream": True})
        assert got.content == ONE + LAST


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "script",
    [
        breaks_after(b""),
        breaks_after(b"HTTP/1.1 200 OK\r\n"),
        breaks_after(STREAM_HEAD),
        breaks_after(STREAM_HEAD, chunk(b"data: {")),
        breaks_after(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"),
        says(whole(b"{}", "503 Service Unavailable")),
        says(whole(b"{}", "429 Too Many Requests")),
        says(b"nonsense\r\n\r\n"),
    ],
)
async def test_a_worker_lost_before_its_first_byte_is_replaced_unnoticed(
    script: Script, stream: bool, ask: dict[str, object]
) -> None:
    good = STREAM_HEAD + chunk(ONE + DONE) + LAST_CHUNK if stream else whole(b'{"ok":1}')
    async with upstream(script) as bad, upstream(says(good)) as fine:
        # The bad one has the shorter queue, so it is asked first.
        busy = view(fine.url, load={"running": 1})
        async with gateway(view(bad.url), busy) as served:
            got = await served.client.post(CHAT, json=ask | {"stream": stream})
            assert got.content == (ONE + DONE if stream else b'{"ok":1}')
            assert len(bad.received) == 1
            assert set(served.fleet.in_flight().values()) == {0}


async def test_a_worker_that_refuses_connections_is_replaced_unnoticed(
    ask: dict[str, object],
) -> None:
    async with upstream(says(b"")) as dead:
        gone = dead.url
    async with upstream(says(whole(b"{}"))) as fine:
        async with gateway(view(gone), view(fine.url, load={"running": 1})) as served:
            assert (await served.client.post(CHAT, json=ask)).status_code == 200


async def test_with_no_other_worker_the_answer_is_503(ask: dict[str, object]) -> None:
    async with upstream(breaks_after(b"")) as worker, gateway(view(worker.url)) as served:
        got = await served.client.post(CHAT, json=ask)
        assert got.status_code == 503
        assert got.headers["retry-after"] == "1"
        assert got.json()["error"]["code"] == "worker_lost"


async def test_a_request_is_sent_to_two_workers_at_most(ask: dict[str, object]) -> None:
    async with (
        upstream(breaks_after(b"")) as a,
        upstream(breaks_after(b"")) as b,
        upstream(breaks_after(b"")) as c,
        gateway(view(a.url), view(b.url), view(c.url)) as served,
    ):
        assert (await served.client.post(CHAT, json=ask)).status_code == 503
        assert len(a.received) + len(b.received) + len(c.received) == 2


async def test_a_workers_own_error_reaches_the_client(ask: dict[str, object]) -> None:
    problem = b'{"error":{"message":"too long","code":"context_length_exceeded"}}'
    async with upstream(says(whole(problem, "400 Bad Request"))) as worker:
        async with gateway(view(worker.url)) as served:
            got = await served.client.post(CHAT, json=ask | {"stream": True})
            assert (got.status_code, got.content) == (400, problem)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_closes_the_whole_chain(
    stream: bool, ask: dict[str, object]
) -> None:
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
                await served.client.post(CHAT, json=ask | {"stream": stream})
        if stream:
            await until(worker.closed.is_set)
        await until(lambda: served.fleet.in_flight() == {worker.url: 0})


async def test_a_silent_stream_ends_in_an_error(
    ask: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stalls(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(ONE))
        await writer.drain()
        await asyncio.sleep(5)

    monkeypatch.setattr(relay, "BETWEEN_TOKENS_S", 0.2)
    async with upstream(stalls) as worker, gateway(view(worker.url)) as served:
        got = await served.client.post(CHAT, json=ask | {"stream": True})
        assert error_of(got.content)["code"] == "upstream_timeout"


async def test_a_full_fleet_says_so_at_once(ask: dict[str, object]) -> None:
    async with gateway(view("http://127.0.0.1:9", load={"running": 2, "waiting": 2})) as served:
        got = await served.client.post(CHAT, json=ask)
        assert got.status_code == 429
        assert got.headers["retry-after"] == "1"
        assert got.json()["error"]["type"] == "rate_limit_error"


async def test_an_unknown_model_is_404_and_a_known_one_without_worker_503(
    ask: dict[str, object],
) -> None:
    async with gateway(expected=("m",)) as served:
        assert (await served.client.post(CHAT, json=ask)).status_code == 503
        got = await served.client.post(CHAT, json=ask | {"model": "other"})
        assert got.status_code == 404
        assert got.json()["error"]["code"] == "model_not_found"
        assert got.json()["error"]["request_id"] == got.headers["x-request-id"]


async def test_a_request_moves_away_from_a_worker_that_falls_silent(
    ask: dict[str, object],
) -> None:
    async def silent(_: Received, writer: Writer) -> None:
        await asyncio.sleep(5)

    async with upstream(silent) as stopped, upstream(says(whole(b"{}"))) as fine:
        first, second = view(stopped.url), view(fine.url, load={"running": 1})
        async with gateway(first, second) as served:
            asking = asyncio.create_task(served.client.post(CHAT, json=ask))
            await until(lambda: stopped.received)
            suspect = view(stopped.url, state="suspect")
            served.fleet.apply(FleetView(workers=(suspect, second)))
            assert (await asking).status_code == 200


async def test_a_stopping_gateway_ends_streams_with_an_error(ask: dict[str, object]) -> None:
    async def endless(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD)
        while not writer.is_closing():
            writer.write(chunk(ONE))
            await writer.drain()
            await asyncio.sleep(0.01)

    async with upstream(endless) as worker, gateway(view(worker.url)) as served:
        asking = asyncio.create_task(served.client.post(CHAT, json=ask | {"stream": True}))
        await until(lambda: served.fleet.in_flight() == {worker.url: 1})
        await served.drain.finish(patience_s=0.2)
        assert error_of((await asking).content)["code"] == "unavailable"
        refused = await served.client.post(CHAT, json=ask)
        assert refused.status_code == 503


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b'{"model":1}',
        b'{"model":"m","stream":"yes"}',
        b'{"model":"m","model":"n"}',
        b'{"model":"m","x":NaN}',
        b'{"model":"m","x":1e999}',
        b'{"model":"m","x":"\\ud800"}',
        b'\xef\xbb\xbf{"model":"m"}',
        b'{"model":"\xff"}',
        '{"model":"m"}'.encode("utf-16"),
        b'{"model":"m","x":' + b"[" * 65 + b"]" * 65 + b"}",
        b'{"model":"m","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"m","x":' + b"9" * 5000 + b"}",
        b'{"model":"m"} trailing',
        b'{"model":"' + b"m" * 300 + b'"}',
    ],
)
async def test_garbage_is_refused_in_openais_shape(body: bytes) -> None:
    async with upstream(says(whole(b"{}"))) as worker, gateway(view(worker.url)) as served:
        got = await served.client.post(CHAT, content=body)
        assert got.status_code == 400
        assert got.json()["error"]["type"] == "invalid_request_error"
        assert worker.received == []


async def test_a_body_too_large_is_refused_with_and_without_a_length() -> None:
    async def pieces() -> Any:
        for _ in range(50):
            yield b" " * 65536

    async with gateway(view("http://127.0.0.1:9")) as served:
        declared = await served.client.post("/v1/embeddings", content=b" " * (3 * 1024 * 1024))
        endless = await served.client.post("/v1/embeddings", content=pieces())
        assert (declared.status_code, endless.status_code) == (413, 413)
        assert declared.json()["error"]["code"] == "request_too_large"


async def test_of_three_workers_the_slow_ones_get_less(ask: dict[str, object]) -> None:
    def takes(seconds: float) -> Script:
        async def script(_: Received, writer: Writer) -> None:
            await asyncio.sleep(seconds)
            writer.write(whole(b"{}"))

        return script

    async with (
        upstream(takes(0.01)) as fast,
        upstream(takes(0.03)) as slower,
        upstream(takes(0.1)) as slowest,
        gateway(*(view(w.url, slots=16) for w in (fast, slower, slowest))) as served,
    ):

        async def client() -> None:
            for _ in range(20):
                assert (await served.client.post(CHAT, json=ask)).status_code == 200

        await asyncio.gather(*(client() for _ in range(8)))
        counts = [len(worker.received) for worker in (fast, slower, slowest)]
        assert sum(counts) == 160
        assert counts[0] > counts[1] > counts[2]
        assert counts[2] < 160 / 4
