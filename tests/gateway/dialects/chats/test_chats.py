"""Chats that are kept, at a real gateway in front of workers that say what they are told to."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from server.core.errors import StorageFull
from server.core.sse import event_data
from server.gateway.dialects.chats import keeping
from server.gateway.dialects.via import CHAT
from server.ledger.responses import KEEP_S, Answers
from tests.fakes.clock import ManualClock
from tests.fakes.raw_client import raw_client
from tests.fakes.upstream import STREAM_HEAD, Received, Writer, chunk, says, upstream, whole
from tests.fakes.waiting import until
from tests.gateway.conftest import Served, view
from tests.gateway.dialects.responses.conftest import keys_of, responding
from tests.gateway.dialects.responses.models import event, speaks, waits

ASK: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "hi"}],
    "store": True,
}


async def made(served: Served, **fields: Any) -> dict[str, Any]:
    got = await served.client.post(CHAT, json=ASK | fields)
    assert got.status_code == 200, got.text
    told: dict[str, Any] = got.json()
    return told


async def listed(served: Served, **query: Any) -> list[str]:
    got = await served.client.get(CHAT, params=query)
    assert got.status_code == 200, got.text
    found = got.json()
    ids = [chat["id"] for chat in found["data"]]
    assert (found["object"], found["first_id"], found["last_id"]) == (
        "list",
        *((ids[0], ids[-1]) if ids else ("", "")),
    )
    return ids


async def error_of(got: httpx.Response) -> tuple[int, str | None, str | None]:
    error = got.json()["error"]
    assert error["message"]
    return got.status_code, error["param"], error["code"]


def data_in(stream: bytes) -> list[dict[str, Any]]:
    *data, last = event_data(stream)
    assert last == b"[DONE]"
    return [json.loads(one) for one in data]


async def test_a_chat_is_kept_with_what_was_asked_and_answered() -> None:
    async with upstream(speaks("Hel", "lo")) as worker, responding(view(worker.url)) as served:
        said = await made(served, metadata={"a": "b"}, temperature=0.5)
        assert said["choices"][0]["message"]["content"] == "Hello"
        found = (await served.client.get(f"{CHAT}/{said['id']}")).json()
        ChatCompletion.model_validate_json(json.dumps(found), strict=True)
        assert (found["metadata"], found["temperature"]) == ({"a": "b"}, 0.5)
        assert (found["usage"], found["model"]) == (said["usage"], "m")
        assert found["choices"][0]["message"]["content"] == "Hello"
        messages = (await served.client.get(f"{CHAT}/{said['id']}/messages")).json()
        [message] = messages["data"]
        assert (message["id"], message["content"]) == (f"{said['id']}-0", "hi")
        sent = json.loads(worker.received[0].body)
        assert sent == ASK | {"metadata": {"a": "b"}, "temperature": 0.5}


@pytest.mark.parametrize("store", [False, None, ...])
async def test_nothing_is_kept_unasked_and_its_bytes_are_the_workers(store: Any) -> None:
    answer = b'{"id":"x",  "choices":[]}'
    async with upstream(says(whole(answer))) as worker, responding(view(worker.url)) as served:
        body = {name: ASK[name] for name in ("model", "messages")}
        body |= {} if store is ... else {"store": store}
        got = await served.client.post(CHAT, json=body)
        assert got.content == answer
        assert await listed(served) == []
        assert served.parts.archive._answers is not None


async def test_each_chat_has_a_name_of_its_own_whatever_its_worker_calls_it() -> None:
    answer = b'{"id":"chatcmpl-7","choices":[]}'
    async with upstream(says(whole(answer))) as worker, responding(view(worker.url)) as served:
        one, two = await made(served), await made(served)
        assert one["id"] != two["id"]
        assert await listed(served) == [one["id"], two["id"]]


async def test_a_stream_is_kept_when_it_is_whole() -> None:
    async with upstream(speaks("Hel", "lo")) as worker, responding(view(worker.url)) as served:
        got = await served.client.post(CHAT, json=ASK | {"stream": True})
        chunks = data_in(got.content)
        for one in chunks:
            assert "usage" not in one
            assert one["choices"] != []
        [id] = {one["id"] for one in chunks}
        assert [one["choices"][0]["delta"].get("content") for one in chunks] == ["Hel", "lo", None]
        found = (await served.client.get(f"{CHAT}/{id}")).json()
        ChatCompletion.model_validate_json(json.dumps(found), strict=True)
        assert found["choices"][0]["message"]["content"] == "Hello"
        assert found["usage"]["total_tokens"] == 9
        sent = json.loads(worker.received[0].body)
        assert sent["stream_options"] == {"include_usage": True}


async def test_who_asks_a_stream_for_its_usage_gets_it() -> None:
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    async with upstream(speaks("x")) as worker, responding(view(worker.url)) as served:
        got = await served.client.post(CHAT, json=ASK | usage)
        last = data_in(got.content)[-1]
        assert (last["choices"], last["usage"]["total_tokens"]) == ([], 9)


async def test_a_stream_that_breaks_off_is_not_kept() -> None:
    async def breaks(asked: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(event(content="x")))
        await writer.drain()
        writer.close()

    async with upstream(breaks) as worker, responding(view(worker.url)) as served:
        got = await served.client.post(CHAT, json=ASK | {"stream": True})
        assert b"event: error\ndata: " in got.content
        assert b"[DONE]" not in got.content
        assert await listed(served) == []


async def test_a_client_that_leaves_stops_its_model_and_nothing_is_kept() -> None:
    async with upstream(waits(asyncio.Event(), "x")) as worker:
        async with responding(view(worker.url)) as served:
            body = json.dumps(ASK | {"stream": True}).encode()
            async with raw_client(served.url) as client:
                head = b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
                client.say(head % (CHAT.encode(), len(body)) + body)
                await client.head()
                await client.chunk()
            await until(lambda: served.fleet.in_flight() == {worker.url: 0})
            assert await listed(served) == []


async def test_a_refusal_passes_and_is_not_kept() -> None:
    told = b'{"error":{"message":"no","type":"invalid_request_error","param":"x","code":"y"}}'
    async with (
        upstream(says(whole(told, "400 Bad Request"))) as worker,
        responding(view(worker.url)) as served,
    ):
        got = await served.client.post(CHAT, json=ASK)
        assert (got.status_code, got.content) == (400, told)
        assert await listed(served) == []


@pytest.mark.parametrize(
    "answer",
    [
        b'{"choices":[{"message":"x"}]}',
        b'{"choices":7}',
        b'{"choices":[{"message":{"x":' + b"[" * 300 + b"]" * 300 + b"}}]}",
    ],
    ids=["message", "choices", "deep"],
)
async def test_an_answer_that_makes_no_sense_is_not_kept(answer: bytes) -> None:
    async with upstream(says(whole(answer))) as worker, responding(view(worker.url)) as served:
        got = await served.client.post(CHAT, json=ASK)
        assert got.status_code == 502
        assert await listed(served) == []


async def test_other_requests_may_say_store_and_it_means_nothing() -> None:
    async with upstream(says(whole(b'{"data":[]}'))) as worker:
        async with responding(view(worker.url)) as served:
            for path in ("/v1/embeddings", "/v1/completions"):
                body = {"model": "m", "input": "x", "prompt": "x", "store": "yes"}
                got = await served.client.post(path, json=body)
                assert (got.status_code, got.content) == (200, b'{"data":[]}')


async def test_chats_are_listed_some_at_a_time_and_by_what_is_noted_of_them() -> None:
    async with upstream(speaks("x")) as worker, responding(view(worker.url)) as served:
        ids = [
            (await made(served, metadata={"n": str(number), "even": str(number % 2 == 0)}))["id"]
            for number in range(4)
        ]
        assert await listed(served) == ids
        assert await listed(served, order="desc", limit=3) == ids[:0:-1]
        assert await listed(served, after=ids[1]) == ids[2:]
        assert await listed(served, after=ids[2], order="desc", limit=1) == [ids[1]]
        assert await listed(served, **{"metadata[even]": "True"}) == [ids[0], ids[2]]
        assert await listed(served, **{"metadata[even]": "True", "metadata[n]": "2"}) == [ids[2]]
        assert await listed(served, **{"metadata[even]": "True", "after": ids[0]}) == [ids[2]]
        assert await listed(served, model="m") == ids
        assert await listed(served, model="other") == []
        more = (await served.client.get(CHAT, params={"limit": 2})).json()["has_more"]
        assert more is True
        many = {f"metadata[{number}]": "x" for number in range(17)}
        got = await served.client.get(CHAT, params=many)
        assert await error_of(got) == (400, "metadata", "invalid_value")
        for query in ({"limit": "0"}, {"limit": "101"}, {"order": "up"}, {"after": "chatcmpl-0"}):
            got = await served.client.get(CHAT, params=query)
            assert await error_of(got) == (400, *query, "invalid_value")


async def test_metadata_can_be_changed_and_nothing_else() -> None:
    async with upstream(speaks("x")) as worker, responding(view(worker.url)) as served:
        said = await made(served, metadata={"a": "b"})
        path = f"{CHAT}/{said['id']}"
        got = await served.client.post(path, json={"metadata": {"c": 'd"'}, "model": "n"})
        assert (got.json()["metadata"], got.json()["model"]) == ({"c": 'd"'}, "m")
        assert (await served.client.get(path)).json() == got.json()
        assert await listed(served, **{"metadata[a]": "b"}) == []
        assert await listed(served, **{"metadata[c]": 'd"'}) == [said["id"]]
        got = await served.client.post(path, json={"metadata": None})
        assert got.json()["metadata"] == {}
        for body, param, code in (
            ({}, "metadata", "missing_required_parameter"),
            ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
            ({"metadata": {"a": "x" * 513}}, "metadata.a", "string_above_max_length"),
        ):
            assert await error_of(await served.client.post(path, json=body)) == (400, param, code)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"store": "yes"}, "store"),
        ({"store": 1}, "store"),
        ({"metadata": {str(number): "x" for number in range(17)}}, "metadata"),
        ({"metadata": []}, "metadata"),
    ],
)
async def test_what_cannot_be_kept_is_refused_before_anybody_is_asked(
    fields: dict[str, Any], param: str
) -> None:
    async with upstream(speaks("x")) as worker, responding(view(worker.url)) as served:
        got = await served.client.post(CHAT, json=ASK | fields)
        assert (got.status_code, got.json()["error"]["param"]) == (400, param)
        assert worker.received == []


async def test_another_key_sees_nothing_of_it(tmp_path: Path) -> None:
    file = str(tmp_path / "ledger.db")
    settings = keys_of("sk-one-0123456789", "sk-two-0123456789")
    one, two = ({"authorization": f"Bearer sk-{n}-0123456789"} for n in ("one", "two"))
    async with (
        upstream(speaks("A")) as worker,
        responding(view(worker.url), settings=settings, ledger_file=file) as served,
    ):
        http = served.client
        said = (await http.post(CHAT, json=ASK, headers=one)).json()
        path = f"{CHAT}/{said['id']}"
        for method, at in (
            ("GET", path),
            ("POST", path),
            ("DELETE", path),
            ("GET", f"{path}/messages"),
        ):
            got = await http.request(method, at, headers=two, json={"metadata": {}})
            assert await error_of(got) == (404, "completion_id", "not_found")
        assert (await http.get(CHAT, headers=two)).json()["data"] == []
        got = await http.get(CHAT, params={"after": said["id"]}, headers=two)
        assert await error_of(got) == (400, "after", "invalid_value")
        assert (await http.get(path)).status_code == 401
        assert (await http.get(f"/v1/responses/{said['id']}", headers=one)).status_code == 404
        gone = await http.delete(path, headers=one)
        assert gone.json() == {
            "id": said["id"],
            "object": "chat.completion.deleted",
            "deleted": True,
        }
        assert (await http.get(path, headers=one)).status_code == 404


async def test_a_chat_outlives_its_gateway_and_is_found_by_others(tmp_path: Path) -> None:
    file, clock = str(tmp_path / "ledger.db"), ManualClock()
    async with upstream(speaks("A")) as worker:
        async with responding(view(worker.url), ledger_file=file, clock=clock) as served:
            said = await made(served)
        async with responding(ledger_file=file, clock=clock) as one:
            async with responding(ledger_file=file, clock=clock) as other:
                assert await listed(one) == await listed(other) == [said["id"]]
            clock.advance(KEEP_S + 1)
            assert await listed(one) == []
            assert (await one.client.get(f"{CHAT}/{said['id']}")).status_code == 404


async def test_what_cannot_be_stored_is_answered_and_said_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise StorageFull("The disk is full.")

    monkeypatch.setattr(Answers, "put", full)
    async with upstream(speaks("x")) as worker, responding(view(worker.url)) as served:
        said = await made(served)
        assert (said["choices"][0]["message"]["content"], said["store"]) == ("x", False)
        got = await served.client.post(CHAT, json=ASK | {"stream": True})
        *_, last = data_in(got.content)
        assert (last["choices"], last["store"]) == ([], False)
        ChatCompletionChunk.model_validate(last | {"created": 1}, strict=True)


async def test_a_stream_beyond_all_bounds_passes_and_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeping, "MAX_ANSWER_BYTES", 100)
    async with upstream(speaks(*"abcdef")) as worker, responding(view(worker.url)) as served:
        got = await served.client.post(CHAT, json=ASK | {"stream": True})
        told = data_in(got.content)
        assert told[-1]["store"] is False
        texts = [choice["delta"].get("content") for one in told for choice in one["choices"]]
        assert texts == [*"abcdef", None]
        assert await listed(served) == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", CHAT, 405),
        ("PUT", f"{CHAT}/chatcmpl-1", 405),
        ("POST", f"{CHAT}/chatcmpl-1/messages", 405),
        ("GET", f"{CHAT}/chatcmpl-1/else", 404),
        ("GET", f"{CHAT}/chatcmpl-1", 404),
        ("GET", f"{CHAT}/", 404),
        ("GET", f"{CHAT}x", 404),
        ("GET", "/v1/chat", 404),
        ("GET", f"{CHAT}/{'x' * 4000}", 404),
        ("GET", f"{CHAT}/%00%ff", 404),
        ("DELETE", f"{CHAT}/chatcmpl-1", 404),
    ],
)
async def test_what_is_not_there_is_said_so(method: str, path: str, status: int) -> None:
    async with responding() as served:
        got = await served.client.request(method, path)
        assert got.status_code == status
        assert got.json()["error"]["type"] == "invalid_request_error"
