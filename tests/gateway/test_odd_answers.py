"""Workers that answer in odd ways: what is no answer is none, and the rest passes untouched."""

from __future__ import annotations

import asyncio

import pytest

from server.core.limits import BREAKER_REST_MIN_S, MAX_EVENT_BYTES
from server.gateway import asking
from tests.fakes.upstream import (
    LAST_CHUNK,
    STREAM_HEAD,
    Received,
    Writer,
    chunk,
    says,
    upstream,
    whole,
)
from tests.fakes.waiting import until
from tests.gateway.conftest import gateway, view
from tests.gateway.test_relay import CHAT, DONE, ONE, error_of

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "raw",
    [
        OK + b"x: " + b"a" * 1_000_000 + b"\r\ncontent-length: 2\r\n\r\n{}",
        OK + b"x: y\r\n" * 100_000 + b"content-length: 2\r\n\r\n{}",
        OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        OK + b"content-length: 2\r\ncontent-length: 1\r\n\r\n{}",
        OK + b"content-length: -2\r\n\r\n{}",
        OK + b"content-type: a\0b\r\ncontent-length: 2\r\n\r\n{}",
        OK + b"openai-a b: c\r\ncontent-length: 2\r\n\r\n{}",
        OK + b"transfer-encoding: chunked\r\n\r\n-1\r\n{}\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        b"HTTP/2 200 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\0" * 100,
    ],
)
async def test_what_is_no_answer_is_a_lost_worker(
    raw: bytes, stream: bool, ask: dict[str, object]
) -> None:
    async with upstream(says(raw)) as worker, gateway(view(worker.url)) as served:
        async with asyncio.timeout(5):
            answer = await served.client.post(CHAT, json=ask | {"stream": stream})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "worker_lost")
        assert served.fleet.in_flight() == {worker.url: 0}


async def test_what_follows_an_answer_is_nobody_elses(ask: dict[str, object]) -> None:
    """A second answer on the same connection must not become that of the next request."""
    forged = whole(b'{"first":1}') + whole(b'{"forged":1}')
    async with upstream(says(forged)) as worker, gateway(view(worker.url)) as served:
        for _ in range(5):
            answer = await served.client.post(CHAT, json=ask)
            assert answer.content == b'{"first":1}'
        assert worker.connections == 5


async def test_silence_is_ended_and_rested_from_longer_each_time(
    ask: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_: Received, writer: Writer) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(asking, "FIRST_TOKEN_S", 0.2)
    async with upstream(silent) as worker, gateway(view(worker.url)) as served:
        now, breaker = asyncio.get_running_loop().time, served.fleet.workers()[0].breaker_of("m")
        rests = []
        for _ in range(3):
            await until(lambda: breaker.lets(now()))
            answer = await served.client.post(CHAT, json=ask | {"stream": True})
            assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
            rests.append(breaker.rests_for(now()))
        assert len(worker.received) == 3
        assert rests[0] == 0 < rests[1] <= BREAKER_REST_MIN_S < rests[2] <= 2 * BREAKER_REST_MIN_S
        answer = await served.client.post(CHAT, json=ask)
        assert (answer.status_code, len(worker.received)) == (503, 3)


async def test_a_redirect_leads_nowhere(ask: dict[str, object]) -> None:
    async with upstream(says(whole(b"{}"))) as elsewhere:
        moved = whole(b"", "302 Found", f"location: {elsewhere.url}/v1/chat/completions")
        async with upstream(says(moved)) as worker, gateway(view(worker.url)) as served:
            answer = await served.client.post(CHAT, json=ask)
            assert "location" not in answer.headers
            assert elsewhere.connections == 0


async def test_a_line_without_end_is_cut_at_the_limit(ask: dict[str, object]) -> None:
    sent = 0

    async def endless(_: Received, writer: Writer) -> None:
        nonlocal sent
        writer.write(STREAM_HEAD + chunk(ONE) + chunk(b"data: "))
        while sent < 100 * MAX_EVENT_BYTES:
            writer.write(chunk(b"x" * 65_536))
            await writer.drain()
            sent += 65_536

    async with upstream(endless) as worker, gateway(view(worker.url)) as served:
        answer = await served.client.post(CHAT, json=ask | {"stream": True})
        assert answer.content.startswith(ONE)
        assert len(answer.content) < 1000
        assert error_of(answer.content)["code"] == "worker_lost"
        assert sent < 50 * MAX_EVENT_BYTES


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_events_pass_byte_for_byte_wherever_they_are_cut(
    end: bytes, size: int, ask: dict[str, object]
) -> None:
    """With what other programs take for the end of a line: U+2028, U+0085, NUL, a BOM."""
    said = '\ufeffdata: {"choices":[{"delta":{"content":"你\u2028\u0085\\u0000🎉"}}]}\n\n'
    text = (said.encode() + ONE + DONE).replace(b"\n", end)
    pieces = [chunk(text[place : place + size]) for place in range(0, len(text), size)]
    answer = STREAM_HEAD + b"".join(pieces) + LAST_CHUNK
    async with upstream(says(answer)) as worker, gateway(view(worker.url)) as served:
        got = await served.client.post(CHAT, json=ask | {"stream": True})
        assert got.content == text


# To append to tests/gateway/test_odd_answers.py once chaos-fixes.patch is in (imports at the top).


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "raw",
    [
        whole(b"{}", "000 Odd"),
        whole(b"{}", "600 Odd"),
        whole(b"{}", "999 Odd"),
        whole(b"<html></html>"),
        whole(b""),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        whole(b"{}", "302 Found", "location: http://127.0.0.1:9/"),
    ],
)
async def test_an_answer_that_no_client_could_use_is_a_lost_worker(
    raw: bytes, stream: bool, ask: dict[str, object]
) -> None:
    async with upstream(says(raw)) as worker, gateway(view(worker.url)) as served:
        async with asyncio.timeout(5):
            answer = await served.client.post(CHAT, json=ask | {"stream": stream})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "worker_lost")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("1", "1"),
        ("3600", "3600"),
        ("Wed, 21 Oct 2037 07:28:00 GMT", None),
        ("abc", None),
        ("-5", None),
        ("1e9", None),
        ("99999999999999999999", None),
    ],
)
async def test_only_an_honest_retry_after_is_passed_on(
    said: str, told: str | None, ask: dict[str, object]
) -> None:
    full = whole(b'{"error":{}}', "429 Too Many Requests", f"retry-after: {said}")
    async with upstream(says(full)) as worker, gateway(view(worker.url)) as served:
        answer = await served.client.post(CHAT, json=ask)
        assert answer.status_code == 429
        assert answer.headers.get("retry-after") == told


async def test_a_request_that_nobody_was_sent_needs_no_budget_of_retries(
    ask: dict[str, object],
) -> None:
    async with upstream(says(b"")) as dead:
        gone = dead.url
    async with upstream(says(whole(b"{}"))) as fine:
        async with gateway(view(gone), view(fine.url, load={"running": 1})) as served:
            served.parts.relay.budget.spend()
            while served.parts.relay.budget.allow():
                served.parts.relay.budget.spend()
            assert (await served.client.post(CHAT, json=ask)).status_code == 200
