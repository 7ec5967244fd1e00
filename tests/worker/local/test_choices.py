"""The choices of one request are made in one batch, and are the same ones as before."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from server.core.settings import ModelSettings
from server.core.sse import event_data
from server.worker.asked import Ask, Text
from server.worker.engines import load_engine
from tests.fakes.engines import Said, settings_for
from tests.fakes.worker import Worker, local_worker

SLOTS = 6
PROMPT = "hello world, how are you today? I am a very small model. " * 2
ASKED: dict[str, Any] = {
    "model": "tested-transformers",
    "prompt": PROMPT,
    "max_tokens": 12,
    "seed": 3,
    "temperature": 1.0,
    "n": 4,
}


@pytest.fixture
def settings(tiny_llama: Path) -> ModelSettings:
    return settings_for("transformers", tiny_llama).model_copy(update={"slots": SLOTS})


async def complete(worker: Worker, **more: Any) -> dict[str, Any]:
    answer = await worker.http.post("/v1/completions", json=ASKED | more)
    assert answer.status_code == 200, answer.text
    whole: dict[str, Any] = answer.json()
    return whole


async def told(worker: Worker, **more: Any) -> list[dict[str, Any]]:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    answer = await worker.http.post("/v1/completions", json=ASKED | options | more)
    *events, _ = event_data(answer.content)
    return [json.loads(event) for event in events]


async def test_they_are_those_that_are_made_one_after_another(settings: ModelSettings) -> None:
    alone = settings.model_copy(update={"slots": 1})
    more: list[dict[str, Any]] = [
        {},
        {"temperature": 0},
        {"best_of": 5, "n": 2},
        {"prompt": [PROMPT, "hello", PROMPT + "Yes"], "n": 2},
        {"logprobs": 2, "echo": True},
    ]
    async with local_worker(settings) as many, local_worker(alone) as one:
        for fields in more:
            together, apart = await complete(many, **fields), await complete(one, **fields)
            told_texts = [(c["index"], c["text"]) for c in together["choices"]]
            assert told_texts == [(c["index"], c["text"]) for c in apart["choices"]]
            assert together["usage"] == apart["usage"]
        assert (await many.stats())["running"] == 0


async def test_a_stream_tells_all_of_them_as_they_come(settings: ModelSettings) -> None:
    async with local_worker(settings) as worker:
        whole = await complete(worker)
        *chunks, last = await told(worker)
    order = [chunk["choices"][0]["index"] for chunk in chunks]
    assert sorted(order) != order, "they come in turn"
    for choice in whole["choices"]:
        mine = [c["choices"][0] for c in chunks if c["choices"][0]["index"] == choice["index"]]
        assert "".join(one["text"] for one in mine) == choice["text"]
        assert [one["finish_reason"] for one in mine][-1] == choice["finish_reason"]
    assert last["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]


async def test_a_prompt_is_read_once(settings: ModelSettings) -> None:
    engine = load_engine(settings, Said())
    try:
        prepared = await engine.prepare(Text(PROMPT))
        async with aclosing(engine.generate(prepared, Ask(max_tokens=20))) as first:
            assert (await anext(first)).cached == 0
            async with aclosing(engine.generate(prepared, Ask(max_tokens=20))) as second:
                assert (await anext(second)).cached == prepared.tokens - 1
            other = Ask(max_tokens=20, customer="else")
            async with aclosing(engine.generate(prepared, other)) as third:
                assert (await anext(third)).cached == 0
    finally:
        engine.close()


async def test_who_leaves_frees_them_all(settings: ModelSettings) -> None:
    async with local_worker(settings) as worker:
        fields = ASKED | {"stream": True, "max_tokens": 150, "temperature": 0, "stop": None}
        async with worker.http.stream("POST", "/v1/completions", json=fields) as answer:
            lines = answer.aiter_lines()
            for _ in range(20):
                await anext(lines)
            assert (await worker.stats())["running"] == ASKED["n"]
        assert await settled(worker)
        assert (await worker.stats())["tokens_after_cancel"] <= ASKED["n"]


async def settled(worker: Worker) -> bool:
    for _ in range(200):
        if (await worker.stats())["running"] == 0:
            return True
    return False
