"""What stands in `key usage`: which requests are rows, and which of them failed."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest

from server.ledger.usage import Usage
from tests.fakes.upstream import (
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
from tests.gateway.conftest import Served, gateway, view

CHAT = "/v1/chat/completions"
DONE = b"data: [DONE]\n\n"
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
ERROR = b'event: error\ndata: {"error":{"message":"x"}}\n\n'
ODD = b'{"error":{"message":"x"}}'
GOOD = b'{"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'


def told(served: Served) -> Sequence[Usage]:
    return served.parts.customers._tallies.take()


def stream(*events: bytes, end: bytes = LAST_CHUNK) -> Script:
    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + b"".join(map(chunk, events)) + end)
        await writer.drain()
        if not end:
            writer.close()

    return script


@pytest.mark.parametrize(
    ("script", "streamed", "failed"),
    [
        (says(whole(GOOD)), False, 0),
        (stream(EVENT, DONE), True, 0),
        (says(whole(ODD, "400 Odd")), False, 1),
        (says(whole(ODD, "500 Odd")), False, 1),
        (stream(EVENT, ERROR), True, 1),
        (stream(EVENT, end=b""), True, 1),
    ],
)
async def test_what_is_no_whole_answer_has_failed_whoevers_fault_it_is(
    ask: dict[str, object], script: Script, streamed: bool, failed: int
) -> None:
    async with upstream(script) as worker, gateway(view(worker.url)) as served:
        await served.client.post(CHAT, json=ask | {"stream": streamed})
        (row,) = told(served)
        assert (row.requests, row.failed) == (1, failed)


async def test_one_whose_client_left_has_failed(ask: dict[str, object]) -> None:
    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(EVENT))

    async with upstream(script) as worker, gateway(view(worker.url)) as served:
        body = ask | {"stream": True}
        async with served.client.stream("POST", CHAT, json=body) as answer:
            await anext(answer.aiter_bytes())
        await until(lambda: served.fleet.in_flight() == {worker.url: 0})
        (row,) = told(served)
        assert (row.requests, row.failed) == (1, 1)


async def test_a_model_that_does_not_exist_is_no_row(ask: dict[str, object]) -> None:
    async with gateway(view("http://127.0.0.1:9"), expected=("absent",)) as served:
        answers = [
            await served.client.post(CHAT, json=ask | {"model": model})
            for model in ("nonsense", "absent")
        ]
        assert [_code(answer) for answer in answers] == ["model_not_found", "unavailable"]
        (row,) = told(served)
        assert (row.model, row.requests, row.failed) == ("absent", 1, 1)


def _code(answer: httpx.Response) -> object:
    return answer.json()["error"]["code"]
