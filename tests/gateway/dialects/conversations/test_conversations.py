"""`/v1/conversations` at a real gateway, and responses that are part of one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai.types.conversations import (
    Conversation,
    ConversationDeletedResource,
    ConversationItemList,
)
from openai.types.conversations.conversation_item import ConversationItem
from pydantic import TypeAdapter

from server.core.errors import StorageFull
from server.gateway.dialects.conversations.conversations import CONVERSATIONS, MOST_AT_ONCE
from server.gateway.dialects.responses import runs
from server.gateway.dialects.responses.responses import RESPONSES
from server.ledger import items
from server.ledger.responses import KEEP_S, Answers
from tests.fakes.clock import ManualClock
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
from tests.gateway.dialects.responses.conftest import checked, events_in, keys_of, responding
from tests.gateway.dialects.responses.models import answer, event, speaks, waits

ITEM: TypeAdapter[Any] = TypeAdapter(ConversationItem)
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}


def says_user(*texts: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text} for text in texts]


async def begun(served: Served, *texts: str, **fields: Any) -> str:
    """The path of a new conversation."""
    body = {"items": says_user(*texts)} | fields
    got = await served.client.post(CONVERSATIONS, json=body)
    assert got.status_code == 200, got.text
    return f"{CONVERSATIONS}/{conversation_in(got)['id']}"


def conversation_in(got: httpx.Response) -> dict[str, Any]:
    said: dict[str, Any] = got.json()
    Conversation.model_validate(said, strict=True)
    assert said["object"] == "conversation"
    return said


def items_in(got: httpx.Response) -> list[dict[str, Any]]:
    said = got.json()
    ConversationItemList.model_validate_json(got.content, strict=True)
    found: list[dict[str, Any]] = said["data"]
    assert (said["first_id"], said["last_id"]) == (
        (found[0]["id"], found[-1]["id"]) if found else ("", "")
    )
    return found


async def texts_of(served: Served, path: str) -> list[str]:
    got = await served.client.get(f"{path}/items", params={"order": "asc", "limit": 100})
    return [item["content"][0]["text"] for item in items_in(got)]


async def respond(served: Served, path: str, **fields: Any) -> dict[str, Any]:
    id = path.rpartition("/")[2]
    ask = {"model": "m", "input": "hi", "conversation": id}
    got = await served.client.post(RESPONSES, json=ask | fields)
    assert got.status_code == 200, got.text
    said = checked(got.json())
    assert said["conversation"] == {"id": id}
    return said


async def error_of(got: httpx.Response) -> tuple[int, str | None, str | None]:
    error = got.json()["error"]
    assert error["message"]
    return got.status_code, error["param"], error["code"]


async def test_a_conversation_is_made_shown_changed_and_deleted() -> None:
    clock = ManualClock()
    made_at = clock.wall()
    async with responding(clock=clock) as served:
        http = served.client
        path = await begun(served, "a", metadata={"topic": "x"})
        said = conversation_in(await http.get(path))
        assert (said["created_at"], said["metadata"]) == (int(made_at), {"topic": "x"})
        clock.advance(100)
        await http.post(f"{path}/items", json={"items": says_user("b")})
        changed = conversation_in(await http.post(path, json={"metadata": {"topic": "y"}}))
        assert changed == said | {"metadata": {"topic": "y"}}
        assert conversation_in(await http.get(path)) == changed
        gone = (await http.delete(path)).json()
        ConversationDeletedResource.model_validate(gone, strict=True)
        assert gone == {"id": said["id"], "object": "conversation.deleted", "deleted": True}
        for at in (path, f"{path}/items"):
            got = await http.get(at)
            assert await error_of(got) == (404, "conversation_id", "not_found")


async def test_one_without_anything_is_one_too() -> None:
    async with responding() as served:
        for body in (b"", b"{}", b'{"items": [], "metadata": null}', b'{"items": null}'):
            got = await served.client.post(CONVERSATIONS, content=body)
            said = conversation_in(got)
            assert said["metadata"] == {}
            assert await texts_of(served, f"{CONVERSATIONS}/{said['id']}") == []
        for none in (b'""', b"0", b"{}", b"false"):
            got = await served.client.post(CONVERSATIONS, content=b'{"items": %b}' % none)
            assert await error_of(got) == (400, "items", "invalid_value")


async def test_items_are_listed_some_at_a_time() -> None:
    async with responding() as served:
        path = await begun(served, *"01234")

        async def page(**query: Any) -> tuple[str, bool]:
            got = await served.client.get(f"{path}/items", params=query)
            texts = [item["content"][0]["text"] for item in items_in(got)]
            return "".join(texts), got.json()["has_more"]

        ids = {
            item["content"][0]["text"]: item["id"]
            for item in items_in(await served.client.get(f"{path}/items"))
        }
        assert await page() == ("43210", False)
        assert await page(limit=2) == ("43", True)
        assert await page(order="asc", after=ids["2"]) == ("34", False)
        assert await page(after=ids["2"], limit=1) == ("1", True)
        assert await page(order="asc", include=["message.output_text.logprobs"])
        for query in ({"limit": "0"}, {"limit": "x"}, {"order": "up"}, {"after": "msg_0"}):
            got = await served.client.get(f"{path}/items", params=query)
            assert await error_of(got) == (400, *query, "invalid_value")


async def test_items_come_and_go_one_by_one() -> None:
    async with responding() as served:
        http, path = served.client, await begun(served, "a")
        added = items_in(await http.post(f"{path}/items", json={"items": [CALL, *says_user("b")]}))
        assert [item["type"] for item in added] == ["function_call", "message"]
        for item in added:
            one = await http.get(f"{path}/items/{item['id']}")
            assert one.json() == item
            ITEM.validate_json(one.content, strict=True)
        at = f"{path}/items/{added[0]['id']}"
        conversation_in(await http.delete(at))
        assert await error_of(await http.get(at)) == (404, "item_id", "not_found")
        assert await error_of(await http.delete(at)) == (404, "item_id", "not_found")
        assert await texts_of(served, path) == ["a", "b"]
        reference = {"type": "item_reference", "id": added[1]["id"]}
        other = await begun(served)
        await http.post(f"{other}/items", json={"items": [reference]})
        assert await texts_of(served, other) == ["b"]


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "items", "missing_required_parameter"),
        ({"items": []}, "items", "invalid_value"),
        ({"items": "hi"}, "items", "invalid_value"),
        ({"items": says_user("x") * (MOST_AT_ONCE + 1)}, "items", "invalid_value"),
        ({"items": [{"type": "web_search_call"}]}, "items[0].type", "unsupported_item"),
        ({"items": [{"role": "user"}]}, "items[0].content", "invalid_value"),
        ({"items": [{"type": "item_reference", "id": "msg_1"}]}, "items", "invalid_value"),
        ({"items": [{"id": "msg_a", **says_user("x")[0]}]}, "items", "duplicate_item"),
        ({"items": [{"id": "msg_b", **says_user("x")[0]}] * 2}, "items", "duplicate_item"),
    ],
)
async def test_what_is_no_item_is_refused_by_name(
    body: dict[str, Any], param: str, code: str
) -> None:
    async with responding() as served:
        path = await begun(served, items=[{"id": "msg_a", **says_user("a")[0]}])
        got = await served.client.post(f"{path}/items", json=body)
        assert await error_of(got) == (400, param, code)
        assert await texts_of(served, path) == ["a"]


async def test_a_response_goes_on_from_a_conversation_and_is_added_to_it() -> None:
    async with upstream(speaks("A")) as worker, responding(view(worker.url)) as served:
        path = await begun(served, "first")
        said = await respond(served, path, instructions="be brief")
        assert (await served.client.get(f"{RESPONSES}/{said['id']}")).json() == said
        named = {"id": path.rpartition("/")[2]}
        await respond(served, path, input="and?", conversation=named, store=False)
        sent = [json.loads(one.body)["messages"] for one in worker.received]
        assert [one["content"] for one in sent[0]] == ["be brief", "first", "hi"]
        assert [one["content"] for one in sent[1]] == ["first", "hi", "A", "and?"]
        assert await texts_of(served, path) == ["first", "hi", "A", "and?", "A"]
        listed = await served.client.get(f"{RESPONSES}/{said['id']}/input_items")
        assert [item["content"][0]["text"] for item in listed.json()["data"]] == ["hi"]


async def test_a_conversation_may_go_on_without_an_input() -> None:
    async with upstream(speaks("A")) as worker, responding(view(worker.url)) as served:
        path = await begun(served, "first")
        await respond(served, path, input=None)
        assert await texts_of(served, path) == ["first", "A"]
        nothing = {"model": "m", "conversation": (await begun(served)).rpartition("/")[2]}
        got = await served.client.post(RESPONSES, json=nothing)
        assert await error_of(got) == (400, "input", "invalid_value")


async def test_a_stream_is_added_when_it_is_whole() -> None:
    async with upstream(speaks("Hel", "lo")) as worker, responding(view(worker.url)) as served:
        path = await begun(served)
        ask = {"model": "m", "input": "hi", "conversation": path.rpartition("/")[2]}
        got = await served.client.post(RESPONSES, json=ask | {"stream": True})
        assert events_in(got.content)[-1]["type"] == "response.completed"
        assert await texts_of(served, path) == ["hi", "Hello"]


async def test_what_fails_is_not_added() -> None:
    async def breaks(asked: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(event(content="x")))
        await writer.drain()
        writer.close()

    async with upstream(breaks) as worker, responding(view(worker.url)) as served:
        path = await begun(served, "a")
        ask = {"model": "m", "input": "hi", "conversation": path.rpartition("/")[2]}
        got = await served.client.post(RESPONSES, json=ask | {"stream": True})
        assert b"event: error" in got.content
        assert await texts_of(served, path) == ["a"]


async def test_a_call_and_its_output_stand_in_two_responses_of_a_conversation() -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    async with (
        upstream(says(whole(answer(tool_calls=calls)))) as worker,
        responding(view(worker.url)) as served,
    ):
        path = await begun(served)
        await respond(served, path, tools=[tool])
        worker.script = speaks("7 degrees")
        output = {"type": "function_call_output", "call_id": "c1", "output": "7"}
        await respond(served, path, input=[output], tools=[tool])
        listed = items_in(await served.client.get(f"{path}/items", params={"order": "asc"}))
        assert [item["type"] for item in listed] == [
            "message",
            "function_call",
            "function_call_output",
            "message",
        ]


async def test_two_responses_at_once_lose_nothing(tmp_path: Path) -> None:
    go, file = asyncio.Event(), str(tmp_path / "ledger.db")
    async with (
        upstream(waits(go)) as worker,
        responding(view(worker.url), ledger_file=file) as one,
        responding(view(worker.url), ledger_file=file) as other,
    ):
        path = await begun(one, "first")
        asked = [
            asyncio.create_task(respond(served, path, input=str(number), stream=None))
            for number, served in enumerate([one, other] * 4)
        ]
        await until(lambda: len(worker.received) == len(asked))
        go.set()
        await asyncio.gather(*asked)
        first, *said = await texts_of(other, path)
        assert first == "first"
        assert sorted(said[::2]) == [str(number) for number in range(8)]
        assert said[1::2] == ["rest"] * 8  # each answer stands behind its question


async def ended(served: Served, path: str) -> str:
    async with asyncio.timeout(5):
        while True:
            status: str = (await served.client.get(path)).json()["status"]
            if status != "in_progress":
                return status
            await asyncio.sleep(0.01)


async def test_a_response_in_the_background_is_added_when_it_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs, "BEAT_S", 0.02)
    go = asyncio.Event()
    async with upstream(waits(go)) as worker, responding(view(worker.url)) as served:
        path = await begun(served, "a")
        said = await respond(served, path, background=True)
        lost = await respond(served, path, background=True, input="never")
        assert await texts_of(served, path) == ["a"]
        await served.client.post(f"{RESPONSES}/{lost['id']}/cancel")
        go.set()
        assert await ended(served, f"{RESPONSES}/{said['id']}") == "completed"
        assert await texts_of(served, path) == ["a", "hi", "rest"]


async def test_what_a_conversation_has_is_not_said_to_it_again() -> None:
    async with upstream(speaks("A")) as worker, responding(view(worker.url)) as served:
        path = await begun(served)
        said = await respond(served, path)
        ask = {"model": "m", "conversation": path.rpartition("/")[2]}
        twice = [said["output"][0], *says_user("and?")]
        got = await served.client.post(RESPONSES, json=ask | {"input": twice})
        assert await error_of(got) == (400, "input", "duplicate_item")
        reference = {"type": "item_reference", "id": said["output"][0]["id"]}
        await respond(served, path, input=[reference, *says_user("and?")])
        assert await texts_of(served, path) == ["hi", "A", "and?", "A"]


async def test_a_conversation_that_is_not_there_is_404_and_asks_nobody() -> None:
    async with upstream(speaks("A")) as worker, responding(view(worker.url)) as served:
        ask = {"model": "m", "input": "hi", "conversation": "conv_1"}
        got = await served.client.post(RESPONSES, json=ask)
        assert await error_of(got) == (404, "conversation", "not_found")
        got = await served.client.post(RESPONSES, json=ask | {"previous_response_id": "resp_1"})
        assert await error_of(got) == (400, None, "mutually_exclusive_parameters")
        assert worker.received == []


async def test_a_conversation_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "MAX_ITEMS", 3)
    async with upstream(speaks("A")) as worker, responding(view(worker.url)) as served:
        path = await begun(served, "a", "b")
        await respond(served, path)  # what was said has cost what it has cost, and is there
        assert await texts_of(served, path) == ["a", "b", "hi", "A"]
        ask = {"model": "m", "input": "x", "conversation": path.rpartition("/")[2]}
        got = await served.client.post(RESPONSES, json=ask)
        assert (got.status_code, got.json()["error"]["param"]) == (413, "conversation")
        got = await served.client.post(f"{path}/items", json={"items": says_user("x")})
        assert got.status_code == 413


async def test_another_key_sees_nothing_of_it(tmp_path: Path) -> None:
    file = str(tmp_path / "ledger.db")
    settings = keys_of("sk-one-0123456789", "sk-two-0123456789")
    one, two = ({"authorization": f"Bearer sk-{n}-0123456789"} for n in ("one", "two"))
    async with (
        upstream(speaks("A")) as worker,
        responding(view(worker.url), settings=settings, ledger_file=file) as served,
    ):
        http = served.client
        said = (await http.post(CONVERSATIONS, json={"items": says_user("a")}, headers=one)).json()
        path = f"{CONVERSATIONS}/{said['id']}"
        [item] = (await http.get(f"{path}/items", headers=one)).json()["data"]
        body = {"metadata": {}, "items": says_user("b")}
        for method, at in (
            ("GET", path),
            ("POST", path),
            ("DELETE", path),
            ("GET", f"{path}/items"),
            ("POST", f"{path}/items"),
            ("GET", f"{path}/items/{item['id']}"),
            ("DELETE", f"{path}/items/{item['id']}"),
        ):
            got = await http.request(method, at, headers=two, json=body)
            assert await error_of(got) == (404, "conversation_id", "not_found")
        ask: dict[str, Any] = {"model": "m", "input": "hi", "conversation": said["id"]}
        assert (await http.post(RESPONSES, json=ask, headers=two)).status_code == 404
        reference = {"type": "item_reference", "id": item["id"]}
        got = await http.post(RESPONSES, json=ask | {"input": [reference]}, headers=two)
        assert got.status_code == 404
        got = await http.post(RESPONSES, json={"model": "m", "input": [reference]}, headers=two)
        assert await error_of(got) == (400, "input", "invalid_value")
        assert (await http.get(path)).status_code == 401
        assert (await http.get(path, headers=one)).json() == said


async def test_a_conversation_lives_as_long_as_it_goes_on(tmp_path: Path) -> None:
    file, clock = str(tmp_path / "ledger.db"), ManualClock()
    async with responding(ledger_file=file, clock=clock) as served:
        path = await begun(served, "a")
        clock.advance(KEEP_S - 1)
        await served.client.post(f"{path}/items", json={"items": says_user("b")})
        clock.advance(KEEP_S - 1)
        assert await texts_of(served, path) == ["a", "b"]
        clock.advance(2)
        assert (await served.client.get(path)).status_code == 404


async def test_who_cannot_add_to_it_says_so_and_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageFull("The disk is full.")

    async with upstream(speaks("A")) as worker, responding(view(worker.url)) as served:
        path = await begun(served)
        with monkeypatch.context() as patched:
            patched.setattr(Answers, "put", full)
            ask = {"model": "m", "input": "hi", "conversation": path.rpartition("/")[2]}
            said = checked((await served.client.post(RESPONSES, json=ask)).json())
            assert (said["store"], said["conversation"]) == (False, None)
            got = await served.client.post(CONVERSATIONS, json={})
            assert got.status_code == 507
        assert await texts_of(served, path) == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", CONVERSATIONS, 405),
        ("PUT", f"{CONVERSATIONS}/conv_1", 405),
        ("PUT", f"{CONVERSATIONS}/conv_1/items", 405),
        ("POST", f"{CONVERSATIONS}/conv_1/items/msg_1", 405),
        ("GET", f"{CONVERSATIONS}/conv_1/else", 404),
        ("GET", f"{CONVERSATIONS}/conv_1/items/msg_1/else", 404),
        ("GET", f"{CONVERSATIONS}/", 404),
        ("GET", f"{CONVERSATIONS}/conv_1/items/", 404),
        ("GET", f"{CONVERSATIONS}/{'x' * 4000}", 404),
        ("GET", f"{CONVERSATIONS}/%00%ff", 404),
        ("GET", f"{CONVERSATIONS}/conv_1/items/msg_1", 404),
        ("DELETE", f"{CONVERSATIONS}/conv_1/items/msg_1", 404),
        ("GET", f"{RESPONSES}/conv_1", 404),
    ],
)
async def test_what_is_not_there_is_said_so(method: str, path: str, status: int) -> None:
    async with responding() as served:
        got = await served.client.request(method, path)
        assert got.status_code == status
        assert got.json()["error"]["type"] == "invalid_request_error"
