"""`/v1/responses` over WebSocket, at a real gateway in front of workers on cue."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from server.gateway.dialects.responses import responses
from server.gateway.dialects.responses.responses import RESPONSES
from tests.fakes.upstream import STREAM_HEAD, Received, Writer, chunk, says, upstream, whole
from tests.fakes.waiting import until
from tests.gateway.conftest import view
from tests.gateway.dialects.responses.conftest import responding
from tests.gateway.dialects.responses.models import answer, event, speaks, waits
from tests.gateway.dialects.responses.sockets.talk import (
    create,
    error_of,
    hear,
    hear_all,
    made,
    refused,
    talking,
)

NOT_FOUND = (400, "previous_response_not_found", "previous_response_id")


def asked_for(received: Received) -> list[tuple[str, Any]]:
    messages = json.loads(received.body)["messages"]
    return [(message["role"], message["content"]) for message in messages]


async def test_responses_are_made_one_after_the_other_in_the_events_of_a_stream() -> None:
    async with (
        upstream(speaks("Hel", "lo")) as worker,
        responding(view(worker.url)) as served,
        talking(served) as client,
    ):
        for _ in range(2):
            await create(client, stream=False)
            kinds = [said["type"] for said in await hear_all(client)]
            assert kinds[:2] == ["response.created", "response.in_progress"]
            assert kinds.count("response.output_text.delta") == 2
            assert kinds[-1] == "response.completed"
        assert json.loads(worker.received[0].body)["stream"] is True
        assert not any(served.fleet.in_flight().values())


async def test_what_is_not_stored_is_remembered_by_its_connection_alone() -> None:
    async with upstream(speaks("Hello")) as worker, responding(view(worker.url)) as served:
        async with talking(served) as client:
            one = await made(client, input="one")
            two = await made(client, input="two", previous_response_id=one["id"])
            assert asked_for(worker.received[1]) == [
                ("user", "one"),
                ("assistant", "Hello"),
                ("user", "two"),
            ]
            assert await refused(client, previous_response_id=one["id"]) == NOT_FOUND
            got = await served.client.get(f"{RESPONSES}/{two['id']}")
            assert got.status_code == 404
        async with talking(served) as other:
            assert await refused(other, previous_response_id=two["id"]) == NOT_FOUND


async def test_what_is_stored_goes_on_anywhere_with_what_came_before_it() -> None:
    async with upstream(speaks("Hello")) as worker, responding(view(worker.url)) as served:
        async with talking(served) as client:
            one = await made(client, input="one")
            two = await made(client, input="two", previous_response_id=one["id"], store=True)
        got = await served.client.post(
            RESPONSES, json={"model": "m", "input": "three", "previous_response_id": two["id"]}
        )
        assert got.status_code == 200
        said = [text for _, text in asked_for(worker.received[2])]
        assert said == ["one", "Hello", "two", "Hello", "three"]
        async with talking(served) as client:
            await made(client, input="four", previous_response_id=got.json()["id"])
        assert len(asked_for(worker.received[3])) == 7


async def test_a_response_that_fails_takes_what_it_followed_with_it() -> None:
    async with (
        upstream(speaks("Hello")) as worker,
        responding(view(worker.url)) as served,
        talking(served) as client,
    ):
        one = await made(client)
        output = {"type": "function_call_output", "call_id": "c", "output": "x"}
        goes_on = {"previous_response_id": one["id"]}
        assert (await refused(client, input=[output], **goes_on))[0] == 400
        assert await refused(client, **goes_on) == NOT_FOUND
        one = await made(client)
        goes_on = {"previous_response_id": one["id"]}
        await create(client, input=[output], stream_id="fork", **goes_on)
        assert (await error_of(client))[0] == 400
        await made(client, **goes_on)


async def test_a_response_without_a_model_is_prepared_for_the_next_one() -> None:
    async with (
        upstream(speaks("Hello")) as worker,
        responding(view(worker.url)) as served,
        talking(served) as client,
    ):
        for store in (False, True):
            worker.received.clear()
            warm = await made(client, input="one", generate=False, store=store)
            assert (warm["output"], warm["usage"]["total_tokens"]) == ([], 0)
            assert worker.received == []
            await made(client, input=[], previous_response_id=warm["id"])
            assert asked_for(worker.received[0]) == [("user", "one")]
        assert await refused(client, model="none", generate=False) == (
            404,
            "model_not_found",
            "model",
        )
        assert (await refused(client, generate="no"))[1:] == ("invalid_value", "generate")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("{", (400, "invalid_json", None)),
        ("[]", (400, "invalid_json", None)),
        ('{"type": "response.create", "type": "x"}', (400, "invalid_json", None)),
        ("{}", (400, "invalid_value", "type")),
        ('{"type": "session.update"}', (400, "invalid_value", "type")),
        ('{"type": "response.create"}', (400, "missing_required_parameter", "model")),
        (b"{}", (415, "unsupported_media_type", None)),
        ('{"type": "response.create", "stream_id": ""}', (400, "invalid_stream_id", "stream_id")),
        ('{"type": "response.create", "stream_id": "ä"}', (400, "invalid_stream_id", "stream_id")),
    ],
)
async def test_bad_input_is_told_and_nothing_else_happens(
    message: str | bytes, expected: tuple[int, str, str | None]
) -> None:
    async with (
        upstream(speaks("Hello")) as worker,
        responding(view(worker.url)) as served,
        talking(served) as client,
        talking(served) as other,
    ):
        await client.send(message)
        assert await error_of(client) == expected
        await made(client)
        await made(other)


async def test_wishes_that_cannot_be_followed_are_told_in_their_lane() -> None:
    async with (
        upstream(speaks("Hello")) as worker,
        responding(view(worker.url)) as served,
        talking(served) as client,
    ):
        background = (400, "unsupported_parameter", "background")
        assert await refused(client, background=True) == background
        assert await refused(client, model="none") == (404, "model_not_found", "model")
        assert (await refused(client, temperature=9))[2] == "temperature"
        await create(client, temperature=9, stream_id="x")
        assert (await hear(client))["stream_id"] == "x"
        await client.send(json.dumps({"type": "response.steer", "previous_response_id": "resp_1"}))
        assert json.loads(await client.recv())["error"]["code"] == "steering_not_supported"
        await made(client)


async def test_a_huge_message_ends_its_connection_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(responses, "MAX_CHAT_BYTES", 10_000)
    async with (
        upstream(speaks("Hello")) as worker,
        responding(view(worker.url)) as served,
        talking(served) as client,
        talking(served) as other,
    ):
        with pytest.raises(ConnectionClosed) as closed:
            await create(client, input="x" * 10_000)
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        await made(other, input="x" * 9_000)


async def test_a_second_one_waits_for_the_first_and_other_lanes_do_not() -> None:
    go = asyncio.Event()
    async with (
        upstream(waits(go, "Hel")) as worker,
        responding(view(worker.url, slots=8)) as served,
        talking(served) as client,
    ):
        await create(client)
        await create(client)
        await create(client, stream_id="side")
        await until(lambda: len(worker.received) == 2)
        lanes: set[str | None] = set()
        while len(lanes) < 2:
            lanes.add((await hear(client)).get("stream_id"))
        assert lanes == {None, "side"}
        go.set()
        last: list[str | None] = []
        while len(last) < 3:
            said = await hear(client)
            if said["type"] == "response.completed":
                last.append(said.get("stream_id"))
        assert sorted(map(str, last)) == ["None", "None", "side"]
        assert len(worker.received) == 3


async def test_one_connection_has_so_many_lanes_and_so_many_that_wait() -> None:
    async with (
        upstream(speaks("Hello")) as worker,
        responding(view(worker.url)) as served,
        talking(served) as client,
    ):
        for number in range(32):
            await create(client, stream_id=f"lane-{number}")
            assert (await hear_all(client))[-1]["type"] == "response.completed"
        limit = (400, "websocket_stream_limit_reached", "stream_id")
        assert await refused(client, stream_id="lane-32") == limit
        await made(client)
    async with (
        upstream(waits(asyncio.Event())) as worker,
        responding(view(worker.url)) as served,
        talking(served) as client,
    ):
        for _ in range(49):
            await create(client)
        assert (await error_of(client))[:2] == (429, "overloaded")


async def test_an_answer_that_breaks_off_is_told_once() -> None:
    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(event(content="Hel")))
        await writer.drain()
        writer.close()

    async with (
        upstream(script) as worker,
        responding(view(worker.url)) as served,
        talking(served) as client,
    ):
        await create(client)
        events = await hear_all(client)
        assert events[-1]["type"] == "response.failed"
        assert events[-1]["response"]["error"]["code"] == "server_error"
        worker.script = speaks("Hello")
        await made(client)


async def test_a_workers_refusal_has_its_status_and_a_whole_answer_is_told_as_events() -> None:
    told = b'{"error":{"message":"slow down","type":"rate_limit_error"}}'
    refusal = whole(told, "400 Bad Request", "retry-after: 7")
    async with (
        upstream(says(refusal)) as worker,
        responding(view(worker.url)) as served,
        talking(served) as client,
    ):
        await create(client)
        said = await hear(client)
        assert (said["status"], said["error"]["code"]) == (400, "rate_limit_error")
        assert said["error"]["headers"] == {"retry-after": "7"}
        worker.script = says(whole(answer(content="all at once")))
        response = await made(client)
        assert response["output"][0]["content"][0]["text"] == "all at once"
