from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.core.settings import ModelSettings
from tests.fakes.engines import settings_for
from tests.fakes.waiting import until
from tests.fakes.worker import Worker, local_worker

TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one 你好 two"}]


@pytest.fixture(scope="module")
def llama(tiny_llama: Path) -> Any:
    return settings_for("transformers", tiny_llama)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with local_worker() as worker:
        yield worker


async def tokenize(worker: Worker, **fields: Any) -> dict[str, Any]:
    answer = await worker.http.post("/tokenize", json=fields)
    assert answer.status_code == 200, answer.text
    counted: dict[str, Any] = answer.json()
    return counted


async def test_a_count_is_what_an_answers_usage_says(llama: Any) -> None:
    async with local_worker(llama) as worker:
        counted = await tokenize(worker, model=llama.name, messages=TALK)
        answer = await worker.chat(model=llama.name, messages=TALK, max_tokens=1)
        assert counted["count"] == answer.json()["usage"]["prompt_tokens"]
        assert len(counted["tokens"]) == counted["count"]
        assert counted["max_model_len"] > 0


async def test_the_tokens_of_a_prompt_can_be_sent_as_a_prompt(llama: Any) -> None:
    async with local_worker(llama) as worker:
        counted = await tokenize(worker, model=llama.name, prompt="one two")
        answers = [
            await worker.http.post(
                "/v1/completions",
                json={"model": llama.name, "prompt": prompt, "max_tokens": 4, "temperature": 0},
            )
            for prompt in ("one two", counted["tokens"])
        ]
        assert answers[0].json()["usage"] == answers[1].json()["usage"]
        assert answers[0].json()["choices"] == answers[1].json()["choices"]


async def test_the_echo_counts_too(worker: Worker) -> None:
    assert (await tokenize(worker, model="echo", messages=TALK))["count"] == 5
    assert (await tokenize(worker, model="echo", prompt="a b"))["count"] == 2


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"model": "other", "prompt": "a"}, 404),
        ({"model": "echo"}, 400),
        ({"model": "echo", "prompt": "a", "messages": TALK}, 400),
        ({"model": "echo", "messages": []}, 400),
        ({"model": "echo", "messages": [{"role": "nobody", "content": "a"}]}, 400),
        ({"model": "echo", "prompt": "a" * 1_000_000}, 400),
    ],
)
async def test_what_makes_no_sense_is_refused(
    worker: Worker, fields: dict[str, Any], status: int
) -> None:
    assert (await worker.http.post("/tokenize", json=fields)).status_code == status


async def test_the_tokens_of_a_text_are_told_as_texts_and_turned_back(llama: Any) -> None:
    async with local_worker(llama) as worker:
        asked = {"model": llama.name, "prompt": "hello 你好"}
        counted = await tokenize(worker, **asked, return_token_strs=True)
        assert len(counted["token_strs"]) == counted["count"]
        assert "".join(counted["token_strs"]).startswith("hello")
        assert (await tokenize(worker, **asked))["token_strs"] is None
        tokens = {"model": llama.name, "tokens": counted["tokens"]}
        answer = await worker.http.post("/detokenize", json=tokens)
        assert answer.json() == {"prompt": "hello 你好"}
        beyond = await worker.http.post("/detokenize", json=tokens | {"tokens": [10**6]})
        assert (beyond.status_code, beyond.json()["error"]["param"]) == (400, "tokens")


async def test_tokens_need_not_fit_into_the_context(worker: Worker) -> None:
    tokens = list(range(10_000))
    answer = await worker.http.post("/detokenize", json={"model": "echo", "tokens": tokens})
    assert answer.json()["prompt"].endswith(" 9999")
    none: dict[str, Any] = {"model": "echo", "tokens": []}
    assert (await worker.http.post("/detokenize", json=none)).json() == {"prompt": ""}


@pytest.mark.parametrize("tokens", [None, "1", 1, ["a"], [-1], [2**31], [1.5], [True], [[1]]])
async def test_what_is_no_list_of_tokens_is_refused(worker: Worker, tokens: Any) -> None:
    body = {"model": "echo", "tokens": tokens}
    answer = await worker.http.post("/detokenize", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith("tokens")


async def test_a_stranger_may_not_count(worker: Worker) -> None:
    headers = {"x-shortline-secret": "wrong"}
    for path in ("/tokenize", "/detokenize"):
        answer = await worker.http.post(path, json={"model": "echo"}, headers=headers)
        assert answer.status_code == 401


async def test_counting_waits_for_no_slot() -> None:
    slow = ModelSettings(
        name="echo", path="none", engine="echo", slots=1, queue=0, options={"delay_ms": 500}
    )
    async with local_worker(slow) as worker:
        busy = asyncio.create_task(worker.chat())
        while not (await worker.stats())["running"]:  # noqa: ASYNC110 - another process' count
            await asyncio.sleep(0.005)
        assert (await tokenize(worker, model="echo", prompt="a b"))["count"] == 2
        assert not busy.done()
        await until(busy.done)
