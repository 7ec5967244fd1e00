from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import orjson

from server.core.settings import ChatSettings
from tests.app.conftest import App, app_server
from tests.fakes.upstream import whole
from tests.fakes.waiting import until


def frames(raw: bytes) -> list[tuple[str, str, dict[str, object]]]:
    """Id, name and data of each frame; comments are left out."""
    found = []
    for block in raw.split(b"\n\n")[:-1]:
        if block.startswith(b":"):
            continue
        lines = dict(line.split(b": ", 1) for line in block.split(b"\n"))
        assert list(lines) in ([b"id", b"data"], [b"id", b"event", b"data"])
        data = orjson.loads(lines[b"data"])
        found.append((lines[b"id"].decode(), lines.get(b"event", b"").decode(), data))
    return found


def text_of(raw: bytes) -> str:
    return "".join(str(data["text"]) for _, name, data in frames(raw) if not name)


async def test_an_answer_comes_as_frames_that_count_characters(app: App) -> None:
    answer = await app.client.post("/api/chat", json={"query": "Hi"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"
    message = answer.headers["x-message-id"]
    found = frames(answer.content)
    assert text_of(answer.content) == "Hello 你好 world"
    assert [name for _, name, _ in found if name not in ("", "queue")] == ["done"]
    last_id, _, done = found[-1]
    assert last_id == str(len("Hello 你好 world"))
    assert done["message_id"] == message
    assert done["conversation_id"] == answer.headers["x-conversation-id"]


async def test_text_cannot_forge_an_event(app: App) -> None:
    app.gateway.words = ("a\n\nevent: done\ndata: {}\n\n", "b\r\u2028c")
    answer = await app.client.post("/api/chat", json={"query": "Hi"})
    assert text_of(answer.content) == "".join(app.gateway.words)
    assert [name for _, name, _ in frames(answer.content) if name == "done"] == ["done"]


async def test_a_whole_answer_is_one_json(app: App) -> None:
    answer = await app.ask()
    assert answer.status_code == 200
    assert answer.json()["text"] == "Hello 你好 world"
    assert answer.headers["x-message-id"] == answer.json()["message_id"]
    assert answer.headers["cache-control"] == "no-store"


async def test_a_refusal_of_the_model_is_the_status_of_a_whole_answer(app: App) -> None:
    app.gateway.refusal = whole(
        b'{"error":{"message":"too long","type":"invalid_request_error",'
        b'"code":"context_length_exceeded"}}',
        "400 Bad Request",
    )
    answer = await app.ask()
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"


async def test_a_model_that_nobody_offers_is_not_found_and_nothing_is_stored(app: App) -> None:
    answer = await app.ask(model="../../etc/passwd")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"
    assert (await app.client.get("/api/conversations")).json()["items"] == []


async def test_a_reader_that_comes_back_gets_the_rest(app: App) -> None:
    whole_one = await app.client.post("/api/chat", json={"query": "Hi"})
    path = f"/api/chat/{whole_one.headers['x-message-id']}/events"
    rest = await app.client.get(path, headers={"last-event-id": "7"})
    assert text_of(rest.content) == "Hello 你好 world"[7:]
    by_query = await app.client.get(path, params={"last_event_id": "7"})
    assert by_query.content == rest.content
    beyond = await app.client.get(path, headers={"last-event-id": "999999999"})
    assert [name for _, name, _ in frames(beyond.content)] == ["done"]


async def test_the_same_key_makes_one_answer(app: App) -> None:
    headers = {"idempotency-key": "k-1"}

    async def ask(query: str) -> httpx.Response:
        return await app.client.post(
            "/api/chat", json={"query": query, "stream": False}, headers=headers
        )

    answers = await asyncio.gather(*(ask("Hi") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["message_id"] for answer in answers}) == 1
    other = await ask("Something else")
    assert other.status_code == 422
    assert other.json()["error"]["code"] == "idempotency_key_reused"


async def test_a_lost_connection_does_not_end_the_answer(app: App) -> None:
    app.gateway.go_on.clear()
    async with app.client.stream("POST", "/api/chat", json={"query": "Hi"}) as answer:
        message = answer.headers["x-message-id"]
        await anext(answer.aiter_raw())
    app.gateway.go_on.set()
    again = await app.client.get(f"/api/chat/{message}/events")
    assert text_of(again.content) == "Hello 你好 world"


async def test_a_stopped_answer_keeps_what_there_is(app: App) -> None:
    app.gateway.go_on.clear()
    async with app.client.stream("POST", "/api/chat", json={"query": "Hi"}) as answer:
        message = answer.headers["x-message-id"]
        await anext(answer.aiter_raw())
        stopped = await app.client.post(f"/api/chat/{message}/stop")
    app.gateway.go_on.set()
    assert stopped.status_code == 200
    assert stopped.json()["status"] == "stopped"


async def test_one_stream_too_many_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    async with app_server(tmp_path, chat=ChatSettings(max_streams=1)) as app:
        app.gateway.go_on.clear()
        async with app.client.stream("POST", "/api/chat", json={"query": "Hi"}) as first:
            await anext(first.aiter_raw())
            second = await app.client.post("/api/chat", json={"query": "Hi"})
            assert second.status_code == 503
            assert second.json()["error"]["code"] == "too_many_streams"
            assert "retry-after" in second.headers
            assert len((await app.client.get("/api/conversations")).json()["items"]) == 1
        app.gateway.go_on.set()


async def test_a_place_is_free_again_however_a_stream_ended(tmp_path: Path) -> None:
    async with app_server(tmp_path, chat=ChatSettings(max_streams=1)) as app:
        app.gateway.go_on.clear()
        async with app.client.stream("POST", "/api/chat", json={"query": "Hi"}) as first:
            await anext(first.aiter_raw())
        app.gateway.go_on.set()
        await app.client.get(f"/api/chat/{'0' * 32}/events")
        await app.client.post("/api/chat", json={"query": "a", "model": "unknown"})
        async with asyncio.timeout(5):
            while (await app.client.post("/api/chat", json={"query": "b"})).status_code != 200:
                pass


async def test_a_server_that_must_end_says_so_in_the_stream(app: App) -> None:
    app.gateway.go_on.clear()
    async with app.client.stream("POST", "/api/chat", json={"query": "Hi"}) as answer:
        parts = answer.aiter_raw()
        raw = await anext(parts)
        await app.drain.finish(0.05)
        raw += b"".join([part async for part in parts])
    app.gateway.go_on.set()
    assert [(name, data["code"]) for _, name, data in frames(raw) if name == "error"] == [
        ("error", "server_stopped")
    ]


async def test_many_who_listen_to_one_answer_hear_all_of_it(app: App) -> None:
    app.gateway.go_on.clear()
    async with app.client.stream("POST", "/api/chat", json={"query": "Hi"}) as answer:
        path = f"/api/chat/{answer.headers['x-message-id']}/events"
        listening = [asyncio.create_task(app.client.get(path)) for _ in range(20)]
        await asyncio.sleep(0)
        app.gateway.go_on.set()
        heard = {text_of((await one).content) for one in listening}
    assert heard == {"Hello 你好 world"}


async def test_streams_that_were_left_leave_nothing_behind(app: App) -> None:
    app.gateway.go_on.clear()
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(
            app.client.stream("POST", "/api/chat", json={"query": "Hi"})
        )
        await anext(first.aiter_raw())
        before = len(asyncio.all_tasks())
        path = f"/api/chat/{first.headers['x-message-id']}/events"
        async with AsyncExitStack() as listeners:
            for _ in range(50):
                one = await listeners.enter_async_context(app.client.stream("GET", path))
                await anext(one.aiter_raw())
            assert len(asyncio.all_tasks()) <= before + 50 * 6
        await until(lambda: len(asyncio.all_tasks()) <= before + 1)
        app.gateway.go_on.set()
