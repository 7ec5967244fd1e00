"""How likely tokens were, and the best of several answers, by OpenAI's endpoints."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.core.sse import event_data
from tests.fakes.worker import Worker, local_worker


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with local_worker() as worker:
        yield worker


async def complete(worker: Worker, **fields: Any) -> dict[str, Any]:
    body = {"model": "echo", "prompt": "one two three"} | fields
    answer = await worker.http.post("/v1/completions", json=body)
    assert answer.status_code == 200, answer.text
    whole: dict[str, Any] = answer.json()
    return whole


async def streamed(worker: Worker, path: str, **fields: Any) -> list[Any]:
    body = {"model": "echo", "stream": True} | fields
    answer = await worker.http.post(path, json=body)
    *data, _ = event_data(answer.content)
    return [choice for chunk in data for choice in json.loads(chunk)["choices"]]


async def test_a_chat_tells_the_odds_of_its_tokens(worker: Worker) -> None:
    plain = (await worker.chat(logprobs=True)).json()["choices"][0]["logprobs"]
    assert [one["token"] for one in plain["content"]] == ["one", " two", " three"]
    assert all(one["top_logprobs"] == [] for one in plain["content"])
    more = (await worker.chat(logprobs=True, top_logprobs=5)).json()["choices"][0]["logprobs"]
    assert [len(one["top_logprobs"]) for one in more["content"]] == [1, 1, 1]
    assert (await worker.chat(logprobs=False)).json()["choices"][0]["logprobs"] is None


async def test_a_streamed_chat_tells_them_with_their_text(worker: Worker) -> None:
    messages = [{"role": "user", "content": "one two three"}]
    choices = await streamed(worker, "/v1/chat/completions", messages=messages, logprobs=True)
    told = [
        (choice["delta"].get("content"), [one["token"] for one in choice["logprobs"]["content"]])
        for choice in choices
        if choice["logprobs"]
    ]
    assert told == [("one", ["one"]), (" two", [" two"]), (" three", [" three"])]


async def test_a_completion_tells_them_from_where_its_prompt_ends(worker: Worker) -> None:
    [choice] = (await complete(worker, logprobs=1))["choices"]
    assert choice["logprobs"] == {
        "tokens": ["one", " two", " three"],
        "token_logprobs": [0.0, 0.0, 0.0],
        "top_logprobs": [{"one": 0.0}, {" two": 0.0}, {" three": 0.0}],
        "text_offset": [13, 16, 20],
    }


async def test_an_echo_tells_those_of_the_prompt_too(worker: Worker) -> None:
    [choice] = (await complete(worker, echo=True, logprobs=0, max_tokens=1))["choices"]
    logprobs = choice["logprobs"]
    assert choice["text"] == "one two threeone"
    assert "".join(logprobs["tokens"]) == choice["text"]
    assert logprobs["token_logprobs"] == [None, 0.0, 0.0, 0.0]
    assert logprobs["top_logprobs"][0] is None
    assert logprobs["text_offset"] == [0, 3, 7, 13]


async def test_a_prompt_can_be_scored_alone(worker: Worker) -> None:
    whole = await complete(worker, echo=True, logprobs=1, max_tokens=0, prompt=[[1, 2], [5, 6, 7]])
    assert [choice["text"] for choice in whole["choices"]] == ["1 2", "5 6 7"]
    assert [choice["finish_reason"] for choice in whole["choices"]] == ["length", "length"]
    assert [choice["logprobs"]["tokens"] for choice in whole["choices"]] == [
        ["1", " 2"], ["5", " 6", " 7"]
    ]  # fmt: skip
    assert whole["usage"]["completion_tokens"] == 0
    [plain] = (await complete(worker, echo=True, max_tokens=0))["choices"]
    assert (plain["text"], plain["logprobs"]) == ("one two three", None)


@pytest.mark.parametrize("fields", [{"max_tokens": 0}, {"max_tokens": 2}, {"stop": " th"}, {}])
async def test_a_streamed_echo_says_what_a_whole_one_says(
    worker: Worker, fields: dict[str, Any]
) -> None:
    fields = fields | {"echo": True, "logprobs": 2, "n": 2, "prompt": "one two three" * 200}
    choices = await streamed(worker, "/v1/completions", **fields)
    wholes = (await complete(worker, **fields))["choices"]
    for index, whole in enumerate(wholes):
        mine = [choice for choice in choices if choice["index"] == index]
        assert "".join(choice["text"] for choice in mine) == whole["text"]
        assert mine[-1]["finish_reason"] == whole["finish_reason"]
        for column, values in whole["logprobs"].items():
            parts = [choice["logprobs"][column] for choice in mine if choice["logprobs"]]
            assert [item for part in parts for item in part] == values


async def test_a_stop_text_leaves_no_score_of_its_own(worker: Worker) -> None:
    [choice] = (await complete(worker, logprobs=0, stop="two"))["choices"]
    assert (choice["text"], choice["logprobs"]["tokens"]) == ("one ", ["one", " two"])
    [choice] = (await complete(worker, logprobs=0, stop=" two"))["choices"]
    assert (choice["text"], choice["logprobs"]["tokens"]) == ("one", ["one"])


async def test_the_best_of_several_is_told_and_all_are_counted(worker: Worker) -> None:
    whole = await complete(worker, best_of=3, n=2, prompt=["a b", "c"])
    assert [(c["index"], c["text"]) for c in whole["choices"]] == [
        (0, "a b"), (1, "a b"), (2, "c"), (3, "c")
    ]  # fmt: skip
    assert all(choice["logprobs"] is None for choice in whole["choices"])
    assert whole["usage"]["completion_tokens"] == 9
