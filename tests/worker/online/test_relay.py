"""What a client sees of a provider that misbehaves; never the key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from server.clients.http import HTTPClient
from server.core.provider_settings import ProviderSettings
from server.web import relay as web_relay
from server.web.drain import Drain
from server.web.edge import Edge
from server.wire.fleet import DEADLINE_HEADER
from server.wire.lanes import PRIORITY_HEADER
from server.worker.online import relay as online_relay
from server.worker.online.app import origin_of
from server.worker.online.relay import ProviderRelay
from server.worker.online.speaker import OnlineWorker
from server.worker.slots import Slots
from tests.fakes.live_server import live_server
from tests.fakes.upstream import (
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
from tests.fakes.waiting import until

CHAT = "/v1/chat/completions"
KEY = "sk-canary-0123456789"
ONE = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
ASK = {"model": "ours", "messages": []}


@asynccontextmanager
async def worker_of(
    fake: Upstream | str, slots: int = 4, **settings_of: Any
) -> AsyncIterator[httpx.AsyncClient]:
    url = fake if isinstance(fake, str) else fake.url
    settings = ProviderSettings(name="acme", base_url=f"{url}/v9", **settings_of)
    http, drain, online = HTTPClient(connect_s=1), Drain(), OnlineWorker()
    online.relay = ProviderRelay(
        settings,
        origin_of(settings),
        SecretStr(KEY),
        {"ours": "theirs"},
        http,
        Slots(slots, 0),
        drain,
    )
    async with (
        live_server(Edge(online, drain)) as base,
        httpx.AsyncClient(base_url=base, timeout=10, trust_env=False) as client,
    ):
        yield client
    http.close()


async def test_the_provider_sees_its_key_its_path_and_its_name_for_the_model() -> None:
    async with upstream(says(whole(b'{"ok": 1.0}'))) as fake, worker_of(fake) as client:
        headers = {"authorization": "Bearer users-own", "x-request-id": "req-mine"}
        answer = await client.post(CHAT, json=ASK, headers=headers)
        assert answer.content == b'{"ok": 1.0}'
        sent = fake.received[0]
        assert sent.head.startswith(b"POST /v9/chat/completions HTTP/1.1")
        assert sent.header("authorization") == f"Bearer {KEY}"
        assert sent.header("x-request-id") == "req-mine"
        assert sent.body == b'{"model":"theirs","messages":[]}'


async def test_a_stream_passes_unchanged() -> None:
    answer = STREAM_HEAD + chunk(ONE) + chunk(DONE) + LAST_CHUNK
    async with upstream(says(answer)) as fake, worker_of(fake) as client:
        got = await client.post(CHAT, json=ASK | {"stream": True})
        assert got.content == ONE + DONE


@pytest.mark.parametrize(
    ("status", "ours", "code"),
    [
        ("401 Unauthorized", 502, "provider_refused"),
        ("403 Forbidden", 502, "provider_refused"),
        ("429 Too Many Requests", 429, "provider_rate_limit"),
        ("500 Internal Server Error", 502, "upstream_failed"),
        ("529 Overloaded", 502, "upstream_failed"),
        ("302 Found", 502, "provider_redirect"),
    ],
)
async def test_a_failure_is_typed_and_never_shows_the_key(
    status: str, ours: int, code: str
) -> None:
    told = f'{{"error":{{"message":"Incorrect API key {KEY}"}}}}'.encode()
    script = says(whole(told, status, "retry-after: 5", "location: http://127.0.0.1:1/"))
    async with upstream(script) as fake, worker_of(fake) as client:
        got = await client.post(CHAT, json=ASK)
        assert (got.status_code, got.json()["error"]["code"]) == (ours, code)
        assert KEY not in got.text
        assert len(fake.received) == 1


async def test_a_refusal_about_the_request_passes_without_the_key() -> None:
    told = f'{{"error":{{"message":"bad request by {KEY}"}}}}'.encode()
    async with upstream(says(whole(told, "400 Bad Request"))) as fake, worker_of(fake) as client:
        got = await client.post(CHAT, json=ASK)
        assert (got.status_code, got.json()["error"]["message"]) == (
            400,
            "bad request by [redacted]",
        )


async def test_a_key_in_a_stream_is_removed() -> None:
    event = f'data: {{"error":{{"message":"{KEY}"}}}}\n\n'.encode()
    script = says(STREAM_HEAD + chunk(ONE) + chunk(event) + chunk(DONE) + LAST_CHUNK)
    async with upstream(script) as fake, worker_of(fake) as client:
        got = await client.post(CHAT, json=ASK | {"stream": True})
        assert KEY.encode() not in got.content
        assert b"[redacted]" in got.content


async def test_a_cut_stream_ends_in_an_error() -> None:
    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(ONE))
        await writer.drain()
        writer.close()

    async with upstream(script) as fake, worker_of(fake) as client:
        got = await client.post(CHAT, json=ASK | {"stream": True})
        assert got.content.startswith(ONE + b"event: error\n")
        assert b"The provider acme hung up in mid-answer" in got.content
        assert b"[DONE]" not in got.content


async def test_a_provider_that_is_not_there_is_told() -> None:
    async with upstream(says(b"")) as fake:
        gone = fake.url
    async with worker_of(gone) as client:
        got = await client.post(CHAT, json=ASK)
        assert got.status_code == 502
        assert "acme cannot be reached" in got.json()["error"]["message"]


async def test_a_page_of_html_is_no_answer() -> None:
    page = whole(b"<html>hello</html>")
    async with upstream(says(page)) as fake, worker_of(fake) as client:
        got = await client.post(CHAT, json=ASK)
        assert (got.status_code, got.json()["error"]["code"]) == (502, "upstream_failed")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_proxys_refusal_stays_one(stream: bool) -> None:
    page = whole(f"<title>Too {KEY} large</title>".encode(), "413 Content Too Large")
    async with upstream(says(page)) as fake, worker_of(fake) as client:
        got = await client.post(CHAT, json=ASK | {"stream": stream})
        error = got.json()["error"]
        assert (got.status_code, error["code"]) == (413, "provider_rejected")
        assert error["message"].endswith("(413): Too [redacted] large.")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_provider_that_never_answers_is_given_up(
    stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_: Received, writer: Writer) -> None:
        await writer.wait_closed()

    monkeypatch.setattr(online_relay, "FIRST_TOKEN_S", 0.2)
    monkeypatch.setattr(web_relay, "FIRST_TOKEN_S", 0.2)
    monkeypatch.setattr(online_relay, "WHOLE_REQUEST_S", 0.2)
    async with upstream(silent) as fake, worker_of(fake) as client:
        got = await client.post(CHAT, json=ASK | {"stream": stream})
        assert (got.status_code, got.json()["error"]["code"]) == (504, "upstream_timeout")


async def test_a_deadline_ends_it_before_the_first_token() -> None:
    async def silent(_: Received, writer: Writer) -> None:
        await writer.wait_closed()

    async with upstream(silent) as fake, worker_of(fake) as client:
        for stream in (True, False):
            headers = {DEADLINE_HEADER: "80"}
            got = await client.post(CHAT, json=ASK | {"stream": stream}, headers=headers)
            assert (got.status_code, got.json()["error"]["code"]) == (504, "upstream_timeout")


async def test_a_deadline_ends_a_stream_with_an_error_and_hangs_up() -> None:
    async with upstream(says(STREAM_HEAD + chunk(ONE))) as fake, worker_of(fake) as client:
        headers = {DEADLINE_HEADER: "150"}
        got = await client.post(CHAT, json=ASK | {"stream": True}, headers=headers)
        assert got.content.startswith(ONE + b"event: error\n")
        assert b"upstream_timeout" in got.content
        await asyncio.wait_for(fake.closed.wait(), 5)


async def test_a_word_that_is_no_lane_reaches_no_provider() -> None:
    async with upstream(says(whole(b"{}"))) as fake, worker_of(fake) as client:
        got = await client.post(CHAT, json=ASK, headers={PRIORITY_HEADER: "urgent"})
        assert (got.status_code, got.json()["error"]["code"]) == (400, "invalid_priority")
        assert fake.received == []


async def test_batch_leaves_a_slot_for_interactive_requests() -> None:
    release = asyncio.Event()

    async def held(_: Received, writer: Writer) -> None:
        await release.wait()
        writer.write(whole(b"{}"))

    async with upstream(held) as fake, worker_of(fake, slots=2) as client:

        async def ask(lane: str) -> httpx.Response:
            return await client.post(CHAT, json=ASK, headers={PRIORITY_HEADER: lane})

        first = asyncio.create_task(ask("batch"))
        await until(lambda: len(fake.received) == 1)
        refused = await ask("batch")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        second = asyncio.create_task(ask("interactive"))
        await until(lambda: len(fake.received) == 2)
        release.set()
        assert [(await task).status_code for task in (first, second)] == [200, 200]


async def test_an_unknown_model_reaches_no_provider() -> None:
    async with upstream(says(whole(b"{}"))) as fake, worker_of(fake) as client:
        got = await client.post(CHAT, json=ASK | {"model": "theirs"})
        assert (got.status_code, got.json()["error"]["code"]) == (404, "model_not_found")
        assert fake.received == []


async def test_a_reranking_passes_at_the_providers_own_path() -> None:
    told = b'{"results":[{"index":0,"relevance_score":0.5}],"meta":{"billed_units":{}}}'
    async with upstream(says(whole(told))) as fake, worker_of(fake) as client:
        asked = {"model": "ours", "query": "q", "documents": [{"image": "x"}], "top_n": 1}
        answer = await client.post("/v1/rerank", json=asked)
        assert answer.content == told
        assert fake.received[0].head.startswith(b"POST /v9/rerank HTTP/1.1")
        assert json.loads(fake.received[0].body) == asked | {"model": "theirs"}
