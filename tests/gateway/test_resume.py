"""A stream whose worker dies goes on at another one, seen from outside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from server.core.settings import GatewaySettings
from server.wire.fleet import SECRET_HEADER, FleetView
from tests.fakes.upstream import LAST_CHUNK, STREAM_HEAD, Received, Script, Writer, chunk, upstream
from tests.fakes.waiting import until
from tests.gateway.conftest import SECRET, gateway, view

CHAT = "/v1/chat/completions"
OURS = {SECRET_HEADER: SECRET.get_secret_value()}
DONE = b"data: [DONE]\n\n"


def delta(text: str, id: str = "first", **more: object) -> bytes:
    choice = {"index": 0, "delta": {"content": text} if text else {}, **more}
    return b"data: " + json.dumps({"id": id, "choices": [choice]}).encode() + b"\n\n"


def streams(pieces: Sequence[bytes], *, dies: bool = False) -> Script:
    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD)
        for piece in pieces:
            writer.write(chunk(piece))
            await writer.drain()
        if dies:
            writer.close()
        else:
            writer.write(LAST_CHUNK)

    return script


DYING = streams([delta("Once up"), delta("on a t")], dies=True)
END = delta("", "second", finish_reason="stop")
WHOLE = [delta("Once ", "second"), delta("upon a time", "second"), delta("…", "second"), END, DONE]


def text_of(body: bytes) -> str:
    events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: {")]
    chunks = [event for event in events if "choices" in event]
    return "".join(c["choices"][0]["delta"].get("content", "") for c in chunks)


async def answered(
    ask: dict[str, object], second: Script, settings: GatewaySettings | None = None
) -> tuple[bytes, dict[str, object]]:
    """What the client got when the first worker died, and what is remembered of it."""
    async with upstream(DYING) as dying, upstream(second) as other:
        workers = view(dying.url, speed=100), view(other.url)
        async with gateway(*workers, settings=settings) as served:
            headers = {"x-request-id": "mine"}
            got = await served.client.post(CHAT, json=ask | {"stream": True}, headers=headers)
            await until(lambda: set(served.fleet.in_flight().values()) == {0})
            told = await served.client.get("/shortline/requests/mine", headers=OURS)
            return got.content, told.json()


async def test_a_greedy_answer_goes_on_character_for_character(ask: dict[str, object]) -> None:
    body, told = await answered(ask | {"temperature": 0}, streams(WHOLE))
    assert text_of(body) == "Once upon a time…"
    assert body.count(DONE) == 1
    assert body.count(b'"shortline":{"resumed":true,"worker":2}') == 1
    assert b'"second"' not in body  # it is one answer
    assert (told["state"], told["tries"]) == ("complete", 2)


async def test_an_answer_that_turns_out_differently_is_not_joined(ask: dict[str, object]) -> None:
    other = [delta("Twice upon a time", "second"), END, DONE]
    body, told = await answered(ask | {"temperature": 0}, streams(other))
    assert text_of(body) == "Once upon a t"
    assert b'"code":"worker_lost"' in body
    assert DONE not in body
    assert told["state"] == "error_event"


async def test_the_second_worker_may_not_die_too(ask: dict[str, object]) -> None:
    body, _ = await answered(ask | {"temperature": 0}, streams(WHOLE[:2], dies=True))
    assert text_of(body) == "Once upon a time"
    assert b'"code":"worker_lost"' in body
    assert DONE not in body


@pytest.mark.parametrize(
    ("more", "settings"),
    [({}, None), ({"temperature": 0}, GatewaySettings(failover=False))],
    ids=["another answer each time", "switched off"],
)
async def test_what_would_be_another_answer_is_not_asked_again(
    more: dict[str, object], settings: GatewaySettings | None, ask: dict[str, object]
) -> None:
    body, told = await answered(ask | more, streams(WHOLE), settings)
    assert text_of(body) == "Once upon a t"
    assert b'"code":"worker_lost"' in body
    assert told["tries"] == 1


async def test_where_nobody_else_is_the_error_is_the_end(ask: dict[str, object]) -> None:
    async with upstream(DYING) as dying, gateway(view(dying.url)) as served:
        got = await served.client.post(CHAT, json=ask | {"stream": True, "temperature": 0})
        assert b'"code":"worker_lost"' in got.content
        assert len(dying.received) == 1


async def test_a_stream_whose_worker_is_suspect_and_quiet_goes_on_elsewhere(
    ask: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.gateway.delivery.QUIET_S", 0.0)

    async def freezes(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(delta("Once up")))
        await writer.drain()
        await asyncio.sleep(60)

    async with upstream(freezes) as frozen, upstream(streams(WHOLE)) as other:
        workers = view(frozen.url, speed=100), view(other.url)
        async with gateway(*workers) as served:
            body = ask | {"stream": True, "temperature": 0}
            asking = asyncio.create_task(served.client.post(CHAT, json=body))
            await until(lambda: served.fleet.in_flight()[frozen.url] == 1)
            await asyncio.sleep(0.2)  # its first words are on their way to the client
            suspect = workers[0].model_copy(update={"state": "suspect"})
            served.fleet.apply(FleetView(workers=(suspect, workers[1])))
            got = (await asking).content
            assert text_of(got) == "Once upon a time…"
            assert got.count(DONE) == 1
