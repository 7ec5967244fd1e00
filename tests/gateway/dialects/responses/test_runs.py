"""Responses in the background: they outlive their client, and end in one way or another."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from server.gateway.dialects.responses import following, responses, runs
from server.gateway.dialects.responses.responses import RESPONSES
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from server.ledger.responses import FILE, LOST_S, Answers, Kept
from tests.fakes.clock import ManualClock
from tests.fakes.raw_client import raw_client
from tests.fakes.upstream import Received, Writer, upstream, whole
from tests.fakes.waiting import until
from tests.gateway.conftest import Served, view
from tests.gateway.dialects.responses.conftest import checked, events_in, responding
from tests.gateway.dialects.responses.models import speaks, waits

ASK: dict[str, Any] = {"model": "m", "input": "hi", "background": True}


@pytest.fixture(autouse=True)
def _beats_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "BEAT_S", 0.02)


async def begun(served: Served, **fields: Any) -> str:
    """The path of a response in the making."""
    got = await served.client.post(RESPONSES, json=ASK | fields)
    assert got.status_code == 200, got.text
    said = checked(got.json())
    assert (said["status"], said["background"], said["output"]) == ("in_progress", True, [])
    return f"{RESPONSES}/{said['id']}"


async def ended(served: Served, path: str) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while True:
            said: dict[str, Any] = (await served.client.get(path)).json()
            if said["status"] != "in_progress":
                return checked(said)
            await asyncio.sleep(0.01)


async def test_it_is_made_while_nobody_waits() -> None:
    go = asyncio.Event()
    async with upstream(waits(go)) as worker, responding(view(worker.url)) as served:
        path = await begun(served)
        assert (await served.client.get(path)).json()["status"] == "in_progress"
        await until(lambda: served.drain.in_flight == 1)
        go.set()
        said = await ended(served, path)
        assert said["output"][0]["content"][0]["text"] == "rest"
        assert said["usage"]["total_tokens"] == 9
        await until(lambda: served.drain.in_flight == 0)


async def test_a_stream_of_it_may_be_left_and_it_goes_on() -> None:
    go = asyncio.Event()
    async with upstream(waits(go, "first")) as worker, responding(view(worker.url)) as served:
        body = json.dumps(ASK | {"stream": True}).encode()
        async with raw_client(served.url) as client:
            head = b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
            client.say(head % (RESPONSES.encode(), len(body)) + body)
            await client.head()
            told = json.loads((await client.chunk()).split(b"data: ")[1].split(b"\n")[0])
        go.set()
        said = await ended(served, f"{RESPONSES}/{told['response']['id']}")
        assert said["output"][0]["content"][0]["text"] == "firstrest"


async def test_a_stream_of_it_is_told_to_its_end() -> None:
    async with upstream(speaks("a", "b")) as worker, responding(view(worker.url)) as served:
        got = await served.client.post(RESPONSES, json=ASK | {"stream": True})
        events = events_in(got.content)
        assert events[-1]["type"] == "response.completed"
        kept = await served.client.get(f"{RESPONSES}/{events[-1]['response']['id']}")
        assert kept.json() == events[-1]["response"]


async def test_a_stream_is_taken_up_again_from_any_event() -> None:
    go = asyncio.Event()
    async with upstream(waits(go, "a", "b")) as worker, responding(view(worker.url)) as served:
        async with served.client.stream("POST", RESPONSES, json=ASK | {"stream": True}) as got:
            pieces = got.aiter_bytes()
            told = json.loads((await anext(pieces)).split(b"data: ")[1].split(b"\n")[0])
        path = f"{RESPONSES}/{told['response']['id']}?stream=true"
        again = asyncio.create_task(served.client.get(f"{path}&starting_after=1"))
        whole = asyncio.create_task(served.client.get(path))
        await asyncio.sleep(0.05)
        go.set()
        numbers = [event["sequence_number"] for event in events_in((await whole).content)]
        assert numbers == list(range(len(numbers)))
        assert events_in((await again).content, 2) == events_in((await whole).content)[2:]
        after = await served.client.get(f"{path}&starting_after={numbers[-2]}")
        (last,) = events_in(after.content, numbers[-1])
        assert last["type"] == "response.completed"
        await served.client.delete(path.partition("?")[0])
        assert (await served.client.get(path)).status_code == 404


async def test_what_is_not_made_as_a_stream_is_told_as_one_when_it_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(responses, "LOOK_S", 0.02)
    go = asyncio.Event()
    async with upstream(waits(go)) as worker, responding(view(worker.url)) as served:
        path = await begun(served)
        waiting = asyncio.create_task(served.client.get(f"{path}?stream=true"))
        deleted = await begun(served)
        gone = asyncio.create_task(served.client.get(f"{deleted}?stream=true"))
        await asyncio.sleep(0.1)
        await served.client.delete(deleted)
        assert set((await gone).text.split("\n\n")) == {": ping", ""}
        go.set()
        said = await ended(served, path)
        assert events_in((await waiting).content)[-1]["response"] == said
        again = await served.client.get(f"{path}?stream=true&starting_after=999")
        assert events_in(again.content, 1000)[-1]["response"] == said


async def test_who_follows_for_too_long_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "WHOLE_REQUEST_S", 0.1)
    async with upstream(waits(asyncio.Event(), "a")) as worker:
        async with responding(view(worker.url)) as served:
            path = await begun(served)
            got = await served.client.get(f"{path}?stream=true")
            (last,) = events_in(got.content)
            assert (last["type"], last["code"]) == ("error", "upstream_timeout")
            await served.client.delete(path)


async def test_it_can_be_cancelled_and_its_worker_stops() -> None:
    async with upstream(waits(asyncio.Event())) as worker:
        async with responding(view(worker.url)) as served:
            path = await begun(served)
            for _ in range(2):  # once more changes nothing
                said = checked((await served.client.post(f"{path}/cancel")).json())
                assert said["status"] == "cancelled"
            await until(lambda: served.fleet.in_flight() == {worker.url: 0})
            await until(lambda: served.drain.in_flight == 0)
            assert (await ended(served, path))["status"] == "cancelled"


async def test_a_stream_that_is_cancelled_ends() -> None:
    async with upstream(waits(asyncio.Event(), "Hel")) as worker:
        async with responding(view(worker.url)) as served:
            async with served.client.stream("POST", RESPONSES, json=ASK | {"stream": True}) as got:
                pieces = got.aiter_bytes()
                told = json.loads((await anext(pieces)).split(b"data: ")[1].split(b"\n")[0])
                path = f"{RESPONSES}/{told['response']['id']}"
                await served.client.post(f"{path}/cancel")
                rest = b"".join([piece async for piece in pieces])
                assert b"response.completed" not in rest


async def test_only_what_is_made_in_the_background_can_be_cancelled() -> None:
    async with upstream(speaks("x")) as worker, responding(view(worker.url)) as served:
        said = (await served.client.post(RESPONSES, json=ASK | {"background": False})).json()
        got = await served.client.post(f"{RESPONSES}/{said['id']}/cancel")
        assert (got.status_code, got.json()["error"]["param"]) == (400, "response_id")
        path = await begun(served)
        done = await ended(served, path)
        assert (await served.client.post(f"{path}/cancel")).json() == done


async def test_one_that_is_deleted_is_made_no_more() -> None:
    async with upstream(waits(asyncio.Event())) as worker:
        async with responding(view(worker.url)) as served:
            path = await begun(served)
            gone = (await served.client.delete(path)).json()
            assert (gone["object"], gone["deleted"]) == ("response", True)
            await until(lambda: served.fleet.in_flight() == {worker.url: 0})
            assert (await served.client.get(path)).status_code == 404


async def test_another_gateway_may_cancel_or_delete_it(tmp_path: Path) -> None:
    file = str(tmp_path / "ledger.db")
    async with (
        upstream(waits(asyncio.Event())) as worker,
        responding(view(worker.url), ledger_file=file) as one,
        responding(view(worker.url), ledger_file=file) as other,
    ):
        first, second = await begun(one), await begun(one)
        await until(lambda: one.drain.in_flight == 2)
        assert (await other.client.get(first)).json()["status"] == "in_progress"
        assert (await other.client.post(f"{first}/cancel")).json()["status"] == "cancelled"
        await other.client.delete(second)
        await until(lambda: one.drain.in_flight == 0)
        assert (await one.client.get(first)).json()["status"] == "cancelled"


async def test_what_a_dead_gateway_was_making_has_failed(tmp_path: Path) -> None:
    clock, file = ManualClock(), tmp_path / "ledger.db"
    async with upstream(speaks("x")) as worker:
        async with responding(view(worker.url), ledger_file=str(file), clock=clock) as served:
            path = await begun(served)
            done = await ended(served, path)
            document = orjson.dumps(done | {"status": "in_progress", "output": []})
            now = clock.wall()
            answers = Answers.open(tmp_path / FILE)
            answers.put(Kept("resp_x", "", None, now, "run-dead", now, b"[]", document))
            answers.close()
            path = f"{RESPONSES}/resp_x"
            assert (await served.client.get(path)).json()["status"] == "in_progress"
            clock.advance(LOST_S + 1)
            for _ in range(2):
                said = checked((await served.client.get(path)).json())
                assert (said["status"], said["error"]["code"]) == ("failed", "server_error")


async def test_one_that_is_being_made_is_not_lost_however_long_it_takes(tmp_path: Path) -> None:
    clock, go = ManualClock(), asyncio.Event()
    async with upstream(waits(go)) as worker:
        async with responding(
            view(worker.url), ledger_file=str(tmp_path / "ledger.db"), clock=clock
        ) as served:
            path = await begun(served)
            for _ in range(4):
                clock.advance(LOST_S - 1)
                await asyncio.sleep(0.1)
                assert (await served.client.get(path)).json()["status"] == "in_progress"
            go.set()
            assert (await ended(served, path))["status"] == "completed"


async def test_a_server_that_ends_tells_that_it_failed(tmp_path: Path) -> None:
    file = str(tmp_path / "ledger.db")
    async with upstream(waits(asyncio.Event())) as worker:
        async with responding(view(worker.url), ledger_file=file) as served:
            path = await begun(served)
        async with responding(view(worker.url), ledger_file=file) as served:
            said = checked((await served.client.get(path)).json())
            assert (said["status"], said["error"]["code"]) == ("failed", "server_error")


async def test_what_limits_refuse_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    ledger = Ledger.open(file)
    _, text = ledger.create_key(NewKey(name="a", parallel=1), 1.0)
    ledger.close()
    headers = {"authorization": f"Bearer {text}"}
    async with upstream(waits(asyncio.Event())) as worker:
        async with responding(view(worker.url), ledger_file=str(file)) as served:
            got = await served.client.post(RESPONSES, json=ASK, headers=headers)
            assert got.status_code == 200
            again = await served.client.post(RESPONSES, json=ASK, headers=headers)
            assert (again.status_code, again.json()["error"]["code"]) == (
                429,
                "rate_limit_exceeded",
            )
            await until(lambda: served.drain.in_flight == 1)


async def test_a_model_that_is_not_there_is_missed_at_once() -> None:
    async with responding() as served:
        got = await served.client.post(RESPONSES, json=ASK)
        assert (got.status_code, got.json()["error"]["code"]) == (404, "model_not_found")
        await until(lambda: served.drain.in_flight == 0)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        (
            b'{"error":{"message":"too long","type":"invalid_request_error"}}',
            "400 Bad Request",
            "invalid_prompt",
            "too long",
        ),
        (b"oh", "500 Oops", "server_error", "The model refused the request."),
    ],
)
async def test_a_workers_refusal_is_the_responses_failure(
    body: bytes, status: str, code: str, message: str, stream: bool
) -> None:
    script = late(whole(body, status))
    async with upstream(script) as worker, responding(view(worker.url)) as served:
        if stream:
            got = await served.client.post(RESPONSES, json=ASK | {"stream": True})
            said = events_in(got.content)[-1]["response"]
        else:
            said = await ended(served, await begun(served))
        assert (said["status"], said["error"]) == ("failed", {"code": code, "message": message})


async def test_there_is_a_limit_to_how_many_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MAX_RUNS", 1)
    async with upstream(waits(asyncio.Event())) as worker:
        async with responding(view(worker.url)) as served:
            await begun(served)
            got = await served.client.post(RESPONSES, json=ASK)
            assert (got.status_code, got.json()["error"]["code"]) == (429, "overloaded")


async def test_its_tokens_are_booked(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    async with upstream(speaks("x")) as worker:
        async with responding(view(worker.url), ledger_file=str(file)) as served:
            await ended(served, await begun(served))
    ledger = Ledger.open(file)
    [usage] = ledger.usage(0)
    assert (usage.requests, usage.prompt_tokens, usage.completion_tokens) == (1, 7, 2)
    ledger.close()


def late(answer: bytes) -> Any:
    """So that the response has been told of before it fails."""

    async def script(_: Received, writer: Writer) -> None:
        await asyncio.sleep(0.05)
        writer.write(answer)

    return script
