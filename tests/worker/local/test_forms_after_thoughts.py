"""A model that thinks first keeps to a form where it answers, and thinks as it likes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from server.core.settings import ModelSettings
from server.core.sse import event_data
from tests.fakes.engines import settings_for
from tests.fakes.tiny_llama import TEMPLATE, make_tiny_llama
from tests.fakes.worker import Worker, local_worker

BEGIN, END = "<think>", "</think>"
OPENED = TEMPLATE.replace("<|assistant|>\n{% endif %}", f"<|assistant|>\n{BEGIN}\n{{% endif %}}")
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["n"],
    "additionalProperties": False,
}
FORMED = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]
ASKED = {"max_tokens": 200, "temperature": 0, "messages": [{"role": "user", "content": "hello"}]}


def thinker(folder: Path, *, special: bool, opened: bool) -> ModelSettings:
    """`special`: its marks are special tokens; `opened`: its template begins the thought."""
    make_tiny_llama(folder, template=OPENED if opened else TEMPLATE, context=1024)
    words: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    words.add_tokens([BEGIN, END], special_tokens=special)
    torch.manual_seed(7)
    model.resize_token_embeddings(len(words), mean_resizing=False)
    words.save_pretrained(folder)
    model.save_pretrained(folder)
    settings = settings_for("transformers", folder)
    return settings.model_copy(update={"options": {"thinking": f"{BEGIN} {END}"}})


@pytest.fixture(params=["text", "special"])
async def worker(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Worker]:
    settings = thinker(tmp_path / "tiny", special=request.param == "special", opened=True)
    async with local_worker(settings) as worker:
        yield worker


def ending(folder: Path) -> int:
    words: Any = AutoTokenizer.from_pretrained(folder)
    return int(words.convert_tokens_to_ids(END))


async def ask(worker: Worker, **more: Any) -> dict[str, Any]:
    answer = await worker.chat(**(ASKED | {"model": "tested-transformers"} | more))
    assert answer.status_code == 200, answer.text
    whole: dict[str, Any] = answer.json()
    return whole


async def streamed(worker: Worker, **more: Any) -> dict[str, str]:
    told = await worker.chat(**(ASKED | {"model": "tested-transformers", "stream": True} | more))
    *events, _ = event_data(told.content)
    texts = {"content": "", "reasoning_content": "", "arguments": ""}
    for event in events:
        delta = json.loads(event)["choices"][0]["delta"]
        for call in delta.get("tool_calls", ()):
            texts["arguments"] += call["function"]["arguments"]
        for name in ("content", "reasoning_content"):
            texts[name] += delta.get(name) or ""
    return texts


@pytest.fixture
def soon(tmp_path: Path, worker: Worker) -> dict[str, Any]:
    """It ends its thought as soon as it may."""
    return {"logit_bias": {str(ending(tmp_path / "tiny")): 4}}


async def test_the_answer_has_the_form_and_not_the_thought(
    worker: Worker, soon: dict[str, Any]
) -> None:
    answer = await ask(worker, response_format=FORMED, **soon)
    [choice] = answer["choices"]
    message = choice["message"]
    assert choice["finish_reason"] == "stop"
    assert set(json.loads(message["content"])) == {"n"}
    assert message["reasoning_content"]
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    told = await streamed(worker, response_format=FORMED, **soon)
    assert told["content"] == message["content"]
    assert told["reasoning_content"] == message["reasoning_content"]


async def test_a_call_that_is_demanded_comes_after_the_thought(
    worker: Worker, soon: dict[str, Any]
) -> None:
    more = {"tools": TOOLS, "tool_choice": "required", **soon}
    [choice] = (await ask(worker, **more))["choices"]
    [call] = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert set(json.loads(call["function"]["arguments"])) == {"n"}
    assert choice["message"]["reasoning_content"]
    told = await streamed(worker, **more)
    assert json.loads(told["arguments"]) == json.loads(call["function"]["arguments"])
    assert told["reasoning_content"] == choice["message"]["reasoning_content"]


async def test_a_thought_has_no_more_tokens_than_the_answer_may_have(
    worker: Worker, tmp_path: Path
) -> None:
    never = {"logit_bias": {str(ending(tmp_path / "tiny")): -100}}
    answer = await ask(worker, response_format=FORMED, max_tokens=12, **never)
    [choice] = answer["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("length", "")
    assert answer["usage"]["completion_tokens"] == 12


async def test_a_model_that_begins_its_thought_itself_may_do_without(tmp_path: Path) -> None:
    settings = thinker(tmp_path / "tiny", special=False, opened=False)
    words: Any = AutoTokenizer.from_pretrained(tmp_path / "tiny")
    begin, end = (str(words.convert_tokens_to_ids(mark)) for mark in (BEGIN, END))
    async with local_worker(settings) as worker:
        for bias, thinks in (({begin: 100, end: 6}, True), ({begin: -100}, False)):
            answer = await ask(worker, response_format=FORMED, logit_bias=bias)
            message = answer["choices"][0]["message"]
            assert set(json.loads(message["content"])) == {"n"}
            assert bool(answer["usage"]["completion_tokens_details"]["reasoning_tokens"]) is thinks
