"""`/v1/responses` at a real gateway, in front of workers that say what they are told to."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.core.errors import StorageFull
from server.gateway.dialects.responses.responses import RESPONSES
from server.ledger.responses import Answers
from tests.fakes.raw_client import raw_client
from tests.fakes.upstream import (
    STREAM_HEAD,
    Received,
    Writer,
    chunk,
    says,
    upstream,
    whole,
)
from tests.fakes.waiting import until
from tests.gateway.conftest import Served, view
from tests.gateway.dialects.responses.conftest import (
    checked,
    checked_list,
    events_in,
    keys_of,
    responding,
)
from tests.gateway.dialects.responses.models import answer, event, speaks, waits

ASK: dict[str, Any] = {"model": "m", "input": "hi"}


async def made(served: Served, **fields: Any) -> dict[str, Any]:
    got = await served.client.post(RESPONSES, json=ASK | fields)
    assert got.status_code == 200, got.text
    return checked(got.json())


async def error_of(got: httpx.Response) -> tuple[int, str | None, str | None]:
    error = got.json()["error"]
    assert error["message"]
    return got.status_code, error["param"], error["code"]


async def test_a_response_is_asked_for_as_a_chat_and_kept() -> None:
    async with upstream(speaks("Hel", "lo")) as worker, responding(view(worker.url)) as served:
        said = await made(served, instructions="be brief", metadata={"a": "b"})
        assert said["output"][0]["content"][0]["text"] == "Hello"
        assert (said["status"], said["metadata"], said["store"]) == ("completed", {"a": "b"}, True)
        assert said["usage"]["total_tokens"] == 9
        sent = json.loads(worker.received[0].body)
        assert worker.received[0].head.startswith(b"POST /v1/chat/completions ")
        assert sent == {
            "model": "m",
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "hi"},
            ],
        }
        again = await served.client.get(f"{RESPONSES}/{said['id']}")
        assert again.json() == said


async def test_a_stream_is_told_in_typed_events_and_kept() -> None:
    async with upstream(speaks("Hel", "lo")) as worker, responding(view(worker.url)) as served:
        got = await served.client.post(RESPONSES, json=ASK | {"stream": True})
        assert got.headers["content-type"].startswith("text/event-stream")
        events = events_in(got.content)
        last = events[-1]
        assert (last["type"], last["response"]["usage"]["output_tokens"]) == (
            "response.completed",
            2,
        )
        kept = await served.client.get(f"{RESPONSES}/{last['response']['id']}")
        assert kept.json() == last["response"]


async def test_what_is_not_to_be_stored_is_not() -> None:
    async with upstream(speaks("x")) as worker, responding(view(worker.url)) as served:
        said = await made(served, store=False)
        assert said["store"] is False
        got = await served.client.get(f"{RESPONSES}/{said['id']}")
        assert await error_of(got) == (404, "response_id", "not_found")


async def test_a_conversation_goes_on_from_what_was_said_before() -> None:
    async with upstream(speaks("A")) as worker, responding(view(worker.url)) as served:
        one = await made(served, instructions="first only")
        two = await made(served, input="and?", previous_response_id=one["id"])
        assert two["previous_response_id"] == one["id"]
        await made(served, input="so?", previous_response_id=two["id"])
        messages = json.loads(worker.received[2].body)["messages"]
        assert [message["content"] for message in messages] == ["hi", "A", "and?", "A", "so?"]
        await served.client.delete(f"{RESPONSES}/{one['id']}")
        got = await served.client.post(RESPONSES, json=ASK | {"previous_response_id": two["id"]})
        wanted = (400, "previous_response_id", "previous_response_not_found")
        assert await error_of(got) == wanted


async def test_a_tool_is_called_and_answered_in_the_next_response() -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    async with (
        upstream(says(whole(answer(tool_calls=calls)))) as worker,
        responding(view(worker.url)) as served,
    ):
        one = await made(served, tools=[tool])
        [call] = one["output"]
        assert (call["type"], call["call_id"], call["name"]) == ("function_call", "c1", "f")
        worker.script = speaks("7 degrees")
        output = {"type": "function_call_output", "call_id": "c1", "output": "7"}
        two = await made(served, input=[output], previous_response_id=one["id"], tools=[tool])
        assert two["output"][0]["content"][0]["text"] == "7 degrees"
        sent = json.loads(worker.received[1].body)["messages"]
        assert [message["role"] for message in sent] == ["user", "assistant", "tool"]
        listed = await served.client.get(f"{RESPONSES}/{two['id']}/input_items")
        assert [item["call_id"] for item in checked_list(listed.json())] == ["c1"]


async def test_items_that_were_made_here_can_be_referred_to() -> None:
    async with upstream(speaks("A")) as worker, responding(view(worker.url)) as served:
        one = await made(served)
        reference = {"type": "item_reference", "id": one["output"][0]["id"]}
        await made(served, input=[{"role": "user", "content": "?"}, reference])
        sent = json.loads(worker.received[1].body)["messages"]
        assert sent[1] == {"role": "assistant", "content": "A"}
        unknown = ASK | {"input": [{"type": "item_reference", "id": "msg_1"}]}
        got = await served.client.post(RESPONSES, json=unknown)
        assert await error_of(got) == (400, "input", "invalid_value")


async def test_an_input_is_listed_some_at_a_time() -> None:
    items = [{"role": "user", "content": str(number)} for number in range(5)]
    async with upstream(speaks("A")) as worker, responding(view(worker.url)) as served:
        said = await made(served, input=items)
        path = f"{RESPONSES}/{said['id']}/input_items"

        async def page(**query: Any) -> tuple[str, bool]:
            got = (await served.client.get(path, params=query)).json()
            texts = [item["content"][0]["text"] for item in checked_list(got)]
            return "".join(texts), got["has_more"]

        assert await page() == ("43210", False)
        assert await page(order="asc", limit=2) == ("01", True)
        third = f"msg_{said['id'].removeprefix('resp_')}_i2"
        assert await page(order="asc", after=third) == ("34", False)
        assert await page(after=third, limit=2) == ("10", False)
        for query in ({"limit": "0"}, {"limit": "x"}, {"order": "up"}, {"after": "msg_0"}):
            got = await served.client.get(path, params=query)
            assert await error_of(got) == (400, *query, "invalid_value")


async def test_another_key_sees_nothing_of_it(tmp_path: Path) -> None:
    file = str(tmp_path / "ledger.db")
    settings = keys_of("sk-one-0123456789", "sk-two-0123456789")
    one, two = ({"authorization": f"Bearer sk-{n}-0123456789"} for n in ("one", "two"))
    async with (
        upstream(speaks("A")) as worker,
        responding(view(worker.url), settings=settings, ledger_file=file) as served,
    ):
        http = served.client
        said = (await http.post(RESPONSES, json=ASK, headers=one)).json()
        path = f"{RESPONSES}/{said['id']}"
        for method, at in (
            ("GET", path),
            ("DELETE", path),
            ("POST", f"{path}/cancel"),
            ("GET", f"{path}/input_items"),
        ):
            got = await http.request(method, at, headers=two)
            assert await error_of(got) == (404, "response_id", "not_found")
        follow = ASK | {"previous_response_id": said["id"]}
        got = await http.post(RESPONSES, json=follow, headers=two)
        assert got.json()["error"]["code"] == "previous_response_not_found"
        assert (await http.get(path)).status_code == 401
        assert (await http.get(path, headers=one)).json() == said


async def test_a_response_outlives_its_gateway_and_is_found_by_others(tmp_path: Path) -> None:
    file = str(tmp_path / "ledger.db")
    async with upstream(speaks("A")) as worker:
        async with responding(view(worker.url), ledger_file=file) as served:
            said = await made(served)
        async with (
            responding(view(worker.url), ledger_file=file) as one,
            responding(view(worker.url), ledger_file=file) as other,
        ):
            for served in (one, other):
                assert (await served.client.get(f"{RESPONSES}/{said['id']}")).json() == said


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", RESPONSES, 405),
        ("PUT", f"{RESPONSES}/resp_1", 405),
        ("GET", f"{RESPONSES}/resp_1/cancel", 405),
        ("POST", f"{RESPONSES}/resp_1/input_items", 405),
        ("GET", f"{RESPONSES}/resp_1/else", 404),
        ("GET", f"{RESPONSES}/resp_1", 404),
        ("GET", f"{RESPONSES}/{'x' * 4000}", 404),
        ("GET", f"{RESPONSES}/%00%ff", 404),
        ("GET", f"{RESPONSES}/resp_1?stream=true", 404),
        ("GET", f"{RESPONSES}/resp_1?stream=true&starting_after=-1", 400),
        ("GET", f"{RESPONSES}/resp_1?stream=true&starting_after=1e9", 400),
        ("DELETE", f"{RESPONSES}/resp_1", 404),
        ("POST", f"{RESPONSES}/resp_1/cancel", 404),
    ],
)
async def test_what_is_not_there_is_said_so(method: str, path: str, status: int) -> None:
    async with responding() as served:
        got = await served.client.request(method, path)
        assert got.status_code == status
        assert got.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b"{}", "model"),
        (b'{"model": "m"}', "input"),
        (b'{"model": "m", "input": ' + b"[" * 200 + b"]" * 200 + b"}", None),
        (json.dumps({"model": "m", "input": [{"role": "user", "content": "x"}] * 10_000}), "input"),
        (json.dumps(ASK | {"tools": [{"type": "computer_use_preview"}]}), "tools[0].type"),
        (json.dumps(ASK | {"input": [{"role": "user", "content": "\ud800"}]}), None),
    ],
    ids=["empty", "list", "no model", "no input", "deep", "long", "hosted", "surrogate"],
)
async def test_a_bad_request_is_refused_by_name_and_asks_nobody(
    body: bytes | str, param: str | None
) -> None:
    async with upstream(speaks("A")) as worker, responding(view(worker.url)) as served:
        got = await served.client.post(RESPONSES, content=body)
        assert (got.status_code, got.json()["error"]["param"]) == (400, param)
        assert worker.received == []


async def test_a_workers_refusal_passes_as_it_is() -> None:
    told = b'{"error":{"message":"no","type":"invalid_request_error","param":"x","code":"y"}}'
    async with (
        upstream(says(whole(told, "400 Bad Request"))) as worker,
        responding(view(worker.url)) as served,
    ):
        for stream in (False, True):
            got = await served.client.post(RESPONSES, json=ASK | {"stream": stream})
            assert (got.status_code, got.content) == (400, told)


async def test_a_stream_that_is_cut_ends_in_failed_and_is_kept_so() -> None:
    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(event(content="Hel")))
        await writer.drain()
        writer.close()

    async with upstream(script) as worker, responding(view(worker.url)) as served:
        got = await served.client.post(RESPONSES, json=ASK | {"stream": True})
        events = events_in(got.content)
        assert [told["type"] for told in events[-2:]] == ["error", "response.failed"]
        assert events[-2]["code"] == "worker_lost"
        response = events[-1]["response"]
        assert response["error"]["code"] == "server_error"
        kept = await served.client.get(f"{RESPONSES}/{response['id']}")
        assert kept.json() == response


async def test_a_client_that_leaves_takes_everything_with_it() -> None:
    async with upstream(waits(asyncio.Event(), "Hel")) as worker:
        async with responding(view(worker.url)) as served:
            body = json.dumps(ASK | {"stream": True}).encode()
            async with raw_client(served.url) as client:
                head = b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
                client.say(head % (RESPONSES.encode(), len(body)) + body)
                await client.head()
                await client.chunk()
            await until(lambda: served.fleet.in_flight() == {worker.url: 0})
            await until(lambda: served.drain.in_flight == 0)


async def test_who_cannot_keep_it_says_so_and_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageFull("The disk is full.")

    monkeypatch.setattr(Answers, "put", full)
    async with upstream(speaks("A")) as worker, responding(view(worker.url)) as served:
        assert (await made(served))["store"] is False
        got = await served.client.post(RESPONSES, json=ASK | {"stream": True})
        assert events_in(got.content)[-1]["response"]["store"] is False
        got = await served.client.post(RESPONSES, json=ASK | {"background": True})
        assert await error_of(got) == (507, None, "storage_full")
        await until(lambda: served.drain.in_flight == 0)


async def test_what_a_model_says_that_is_no_answer_is_our_error() -> None:
    async with upstream(says(whole(b'{"choices": []}'))) as worker:
        async with responding(view(worker.url)) as served:
            got = await served.client.post(RESPONSES, json=ASK)
            assert (got.status_code, got.json()["error"]["type"]) == (502, "upstream_error")


async def test_an_input_is_counted_and_not_answered() -> None:
    async with upstream(says(whole(b'{"count": 5}'))) as worker:
        async with responding(view(worker.url)) as served:
            tools = [{"type": "function", "name": "f"}]
            got = await served.client.post(f"{RESPONSES}/input_tokens", json=ASK | {"tools": tools})
            assert got.json() == {"object": "response.input_tokens", "input_tokens": 5}
            assert worker.received[0].head.startswith(b"POST /tokenize ")
            assert json.loads(worker.received[0].body)["tools"][0]["function"] == {"name": "f"}


async def test_time_that_is_up_while_a_response_is_kept_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_go_on = threading.Event()
    monkeypatch.setattr(Answers, "put", lambda *_: may_go_on.wait(5))
    try:
        async with upstream(speaks("x")) as worker, responding(view(worker.url)) as served:
            soon = {"x-request-timeout": "0.3", "x-request-id": "req-of-this-test"}
            got = await served.client.post(RESPONSES, json=ASK, headers=soon)
            assert await error_of(got) == (504, None, "deadline_exceeded")
            seen = served.parts.sight.explain("req-of-this-test")
            assert seen is not None
            assert (seen.status, seen.path, seen.state) == (504, RESPONSES, "http_error")
            may_go_on.set()
    finally:
        may_go_on.set()


@pytest.mark.parametrize("path", ["/", "//x", "//cancel", "/resp_x/y", "/resp_x/input_items/"])
async def test_there_is_nothing_at_odd_paths(path: str) -> None:
    async with responding() as served:
        for method in ("GET", "POST", "DELETE"):
            got = await served.client.request(method, f"{RESPONSES}{path}", json=ASK)
            assert await error_of(got) == (404, None, "not_found")
