"""Every field of every request, spoilt in every way, beside an answer that must not change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from server.wire.openai import ChatRequest, CompletionRequest, Request
from server.worker.local.tokenize import DetokenizeRequest, TokenizeRequest
from tests.contract.test_openai_types import BUNDLED
from tests.contract.test_tools import TOOLS
from tests.fakes.worker import Worker, local_worker

DEEP: Final[list[Any]] = []
for _ in range(60):
    DEEP[:] = [list(DEEP)]
NASTY: Final[list[Any]] = [
    None, True, 0, -1, 1.5, 10**30, 1e308, "", "x", "\x00\ufffe😀", "x" * 70_000, [], [None], [[]],
    ["x"] * 5000, {}, {"": None}, {"type": "x"}, {"type": ["text"]}, DEEP,
]  # fmt: skip
USER = {"role": "user", "content": "Which port?"}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "boolean"}}}
BODIES: Final[list[tuple[str, type[Request], dict[str, Any]]]] = [
    ("/v1/chat/completions", ChatRequest, {
        "messages": [
            USER,
            {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "r"},
            {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "1"}]},
        ],
        "tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "no-op"}},
        "response_format": SCHEMA, "max_tokens": 2,
    }),
    ("/v1/completions", CompletionRequest, {"prompt": "x", "max_tokens": 2}),
    ("/tokenize", TokenizeRequest, {"messages": [USER], "tools": TOOLS}),
    ("/detokenize", DetokenizeRequest, {"tokens": [5, 6]}),
]  # fmt: skip
WITHIN: Final[dict[str, list[tuple[str | int, ...]]]] = {
    "messages": [("messages", at, name) for at, name in [
        (0, "role"), (0, "content"), (0, "name"), (1, "tool_calls"), (1, "reasoning_content"),
        (2, "tool_call_id"), (2, "content")]],
    "tool_calls": [("messages", 1, "tool_calls", 0, name) for name in ("id", "type", "function")],
    "function": [("tools", 0, "function", name) for name in
                 ("name", "description", "parameters", "strict")],
    "schema": [("tools", 0, "function", "parameters", name) for name in
               ("type", "properties", "required", "$ref", "anyOf", "pattern", "enum")],
    "choice": [("tool_choice", "function", "name"), ("tool_choice", "type")],
    "format": [("response_format", "json_schema", name) for name in ("name", "schema", "strict")],
    "formed": [("response_format", "json_schema", "schema", name) for name in
               ("type", "properties", "$ref", "enum", "minimum")],
}  # fmt: skip


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def worker(anyio_backend: str) -> AsyncIterator[Worker]:
    settings = BUNDLED.model_copy(update={"slots": 4, "queue": 100})
    async with local_worker(settings) as worker:
        yield worker


def spoilt(body: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(body))
    inner: Any = changed
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return changed


async def refused_or_answered(worker: Worker, path: str, body: dict[str, Any]) -> int:
    answer = await worker.http.post(path, json=body)
    assert answer.headers["x-request-id"]
    if answer.status_code == 200:
        return 200
    assert 400 <= answer.status_code < 500, (path, str(body)[:500], answer.text)
    error = answer.json()["error"]
    assert error["message"] and error["type"] == "invalid_request_error", error
    assert {"param", "code"} <= error.keys()
    assert len(answer.content) < 2000, "what was wrong is not sent back at length"
    return answer.status_code


async def long_answer(worker: Worker) -> str:
    told = await worker.chat(model="mini", messages=[USER], temperature=0, max_tokens=60)
    return str(told.json()["choices"])


@pytest.mark.parametrize(("path", "kind", "body"), BODIES, ids=[path for path, *_ in BODIES])
async def test_a_spoilt_field_is_refused_and_hurts_nobody(
    worker: Worker, path: str, kind: type[Request], body: dict[str, Any]
) -> None:
    expected = await long_answer(worker)
    valid = {"model": "mini"} | body
    assert await refused_or_answered(worker, path, valid) == 200
    places = [(name,) for name in kind.model_fields]
    beside = asyncio.create_task(long_answer(worker))
    statuses = [
        await refused_or_answered(worker, path, spoilt(valid, place, value))
        for place in places
        for value in NASTY
    ]
    assert {200, 400} <= set(statuses)
    assert await beside == await long_answer(worker) == expected


@pytest.mark.parametrize("within", WITHIN)
async def test_a_spoilt_part_is_refused_and_hurts_nobody(worker: Worker, within: str) -> None:
    path, _, body = BODIES[0]
    valid = {"model": "mini"} | body
    expected = await long_answer(worker)
    beside = asyncio.create_task(long_answer(worker))
    for place in WITHIN[within]:
        for value in NASTY:
            await refused_or_answered(worker, path, spoilt(valid, place, value))
    assert await beside == expected


async def test_ten_thousand_messages_are_too_many(worker: Worker) -> None:
    answer = await worker.chat(model="mini", messages=[USER] * 10_000)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "array_above_max_length"


async def test_what_does_not_fit_has_openais_code(worker: Worker) -> None:
    long = "word " * 3000
    for body in (
        {"messages": [{"role": "user", "content": long}]},
        {"messages": [USER], "max_tokens": 100_000},
        {"messages": [USER], "tools": [{"type": "function", "function": {
            "name": "f", "description": long}}]},
        {"messages": [USER, {"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": long}}]},
            {"role": "tool", "tool_call_id": "a", "content": "x"}]},
    ):  # fmt: skip
        answer = await worker.chat(model="mini", **body)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["code"] == "context_length_exceeded"


async def test_broken_utf_8_is_refused(worker: Worker) -> None:
    content = b'{"model": "mini", "messages": [{"role": "user", "content": "\xff\xfe"}]}'
    answer = await worker.http.post("/v1/chat/completions", content=content)
    assert answer.status_code == 400
    half = b'{"model": "mini", "messages": [{"role": "user", "content": "\\ud800"}]}'
    answer = await worker.http.post("/v1/chat/completions", content=half)
    assert answer.status_code in (200, 400), answer.text
