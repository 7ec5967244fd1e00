"""Functions and calls with OpenAI's own client, on models whose templates write calls in every way.

None of these models has learnt to call anything: what they call, they are made to.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import openai
import pytest
from openai import AsyncOpenAI
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pytest import MonkeyPatch

from server.core.settings import ModelSettings
from server.worker.engine import Engine
from server.worker.engines import load_engine
from tests.contract.test_openai_types import BUNDLED, client_of, demand
from tests.fakes import templates
from tests.fakes.engines import Said, kinds_here, settings_for
from tests.fakes.tiny_llama import make_tiny_llama
from tests.fakes.worker import Worker, local_worker

WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 4}, "unit": {"enum": ["c", "f"]}},
    "required": ["city", "unit"],
    "additionalProperties": False,
}
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": "weather", "strict": True, "parameters": WEATHER}},
    {"type": "function", "function": {"name": "no-op", "description": "Nothing."}},
]
ASKED: list[dict[str, Any]] = [
    {"tool_choice": "required"},
    {"tool_choice": "required", "parallel_tool_calls": False},
    {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
    {"tool_choice": "none"},
    {"tool_choice": "auto", "max_tokens": 5},
    {"tool_choice": "required", "parallel_tool_calls": False, "logprobs": True, "n": 2, "seed": 3},
]
QUESTION = {"role": "user", "content": "How is the weather?"}
SPACES = {"TAGS": templates.TAGS, "JSON": templates.JSON, "XML": templates.XML}


GGUF = ["GGUF"] if "llama_cpp" in kinds_here() else []
VLLM = ["vLLM"] if "vllm" in kinds_here() else []


@pytest.fixture(scope="module")
def by_vllm() -> Iterator[Engine]:
    """The bundled model, loaded once: that takes half a minute."""
    settings = BUNDLED.model_copy(update={"engine": "vllm", "options": {"enforce_eager": True}})
    engine = load_engine(settings, Said())
    with MonkeyPatch.context() as patch:
        patch.setattr(engine, "close", lambda: None)  # by each test's worker
        yield engine
    engine.close()


@pytest.fixture(params=["bundled", "TAGS", "JSON", "XML", *GGUF, *VLLM])
async def worker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Worker]:
    """`XML`: a template that no style can say, so the functions are told in plain text."""
    settings = BUNDLED
    if request.param == "vLLM":
        engine = request.getfixturevalue("by_vllm")
        async with local_worker(settings, load=lambda *_: engine) as worker:
            yield worker
        return
    if request.param == "GGUF":
        folder = make_tiny_llama(tmp_path, template=templates.TAGS, context=2048)
        settings = settings_for("llama_cpp", folder).model_copy(update={"name": "mini"})
    elif request.param != "bundled":
        folder = make_tiny_llama(tmp_path, template=SPACES[request.param], context=2048)
        settings = ModelSettings(name="mini", path=str(folder), device="cpu", threads=1)
    async with local_worker(settings) as worker:
        yield worker


@pytest.fixture
async def client(worker: Worker) -> AsyncIterator[AsyncOpenAI]:
    async with client_of(worker) as client:
        yield client


def asked(**more: Any) -> dict[str, Any]:
    return {
        "model": "mini", "messages": [QUESTION], "tools": TOOLS, "temperature": 0,
        "max_tokens": 200,
    } | more  # fmt: skip


def calls_fit(message: Any) -> list[str]:
    """The names of what was called."""
    names = []
    for call in message.tool_calls or ():
        arguments = json.loads(call.function.arguments)
        schema = WEATHER if call.function.name == "weather" else {"maxProperties": 0}
        jsonschema.validate(arguments, schema)
        names.append(call.function.name)
    return names


async def test_answers_with_calls_are_of_openais_types(
    worker: Worker, request: pytest.FixtureRequest
) -> None:
    # By vLLM nothing helps a model to end that was never taught to call: it calls and calls.
    for fields in ASKED[1:] if "vLLM" in request.node.name else ASKED:
        answer = await worker.chat(**asked(**fields))
        demand(ChatCompletion, answer.json())
        for choice in ChatCompletion.model_validate(answer.json()).choices:
            called = calls_fit(choice.message)
            demanded = fields["tool_choice"] not in ("none", "auto")
            assert len(called) == (1 if demanded else 0)
            assert (choice.finish_reason == "tool_calls") == demanded
            assert (choice.message.content is None) == demanded


async def test_a_stream_of_a_call_folds_into_the_whole_one(client: AsyncOpenAI) -> None:
    ask = asked(tool_choice={"type": "function", "function": {"name": "weather"}})
    state = ChatCompletionStreamState()
    chunks = 0
    async for chunk in await client.chat.completions.create(stream=True, **ask):
        demand(ChatCompletionChunk, json.loads(chunk.model_dump_json(exclude_unset=True)))
        state.handle_chunk(chunk)
        chunks += 1
    folded = state.get_final_completion().choices[0]
    whole = (await client.chat.completions.create(**ask)).choices[0]
    assert folded.finish_reason == whole.finish_reason == "tool_calls"
    assert calls_fit(folded.message) == ["weather"]
    [one], [other] = folded.message.tool_calls or [], whole.message.tool_calls or []
    assert one.type == other.type == "function"
    assert one.function.arguments == other.function.arguments
    assert chunks > 5, "arguments come as they are written"


@pytest.mark.parametrize("room", [4, 8, 30])
async def test_of_a_call_that_is_cut_off_nothing_is_told_as_text(
    worker: Worker, client: AsyncOpenAI, room: int
) -> None:
    ask = asked(tool_choice="required", max_tokens=room)
    whole = (await client.chat.completions.create(**ask)).choices[0]
    assert whole.finish_reason == "length"
    assert not whole.message.content
    told = [call.function.arguments for call in whole.message.tool_calls or ()]
    streamed = ""
    async for chunk in await client.chat.completions.create(stream=True, **ask):
        for choice in chunk.choices:
            assert not choice.delta.content
            for call in choice.delta.tool_calls or ():
                streamed += (call.function and call.function.arguments) or ""
    assert "".join(told) == streamed


async def test_a_conversation_goes_on_after_a_call(client: AsyncOpenAI) -> None:
    first = await client.chat.completions.create(**asked(**ASKED[1]))
    message = first.choices[0].message
    [call] = message.tool_calls or []
    told = message.model_dump(exclude_none=True)
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    ask = asked(messages=[QUESTION, told, result], max_tokens=5)
    second = await client.chat.completions.create(**ask)
    assert second.choices[0].message.role == "assistant"
    assert second.usage and first.usage
    assert second.usage.prompt_tokens > first.usage.prompt_tokens


async def test_the_old_names_work(worker: Worker) -> None:
    functions = [tool["function"] for tool in TOOLS]
    ask = {"function_call": {"name": "no-op"}, "functions": functions, "max_tokens": 100}
    answer = await worker.chat(model="mini", **ask)
    demand(ChatCompletion, answer.json())
    [choice] = answer.json()["choices"]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"]["name"] == "no-op"
    said = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    messages = [QUESTION, said, {"role": "function", "name": "f", "content": "1"}]
    answer = await worker.chat(model="mini", messages=messages, max_tokens=2)
    assert answer.status_code == 200, answer.text


async def test_what_is_offered_is_counted(worker: Worker) -> None:
    body = {"model": "mini", "messages": [QUESTION], "tools": TOOLS}
    counted = (await worker.http.post("/tokenize", json=body)).json()["count"]
    answer = (await worker.chat(**asked(max_tokens=1))).json()
    assert answer["usage"]["prompt_tokens"] == counted


MESSAGE = {"role": "assistant", "tool_calls": [
    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}  # fmt: skip
RESULT = {"role": "tool", "tool_call_id": "a", "content": "1"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": "some"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice"),
        ({"tool_choice": {"type": "custom"}}, "tool_choice.type"),
        ({"tools": None, "tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOLS[0]] * 2}, "tools"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}
                    }]}, "tools[0].function.parameters.type"),
        ({"tools": [{"type": "function", "function": {
            "name": "f", "parameters": {"properties": {"x": {"type": "nope"}}}}}]},
         "tools[0].function.parameters"),
        ({"tools": TOOLS * 100}, "tools"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"messages": [RESULT]}, "messages[0].tool_call_id"),
        ({"messages": [MESSAGE]}, "messages[0]"),
        ({"messages": [QUESTION, MESSAGE, QUESTION, RESULT]}, "messages[1]"),
        ({"messages": [MESSAGE, {"role": "tool", "content": "1"}]}, "messages[1].tool_call_id"),
        ({"messages": [{"role": "assistant"}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "tool_calls": []}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]},
         "messages[0].tool_calls[0].type"),
    ],
)  # fmt: skip
async def test_a_mistake_is_named(fields: dict[str, Any], param: str) -> None:
    async with local_worker(BUNDLED) as worker, client_of(worker) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(**asked(**fields))
        assert caught.value.param == param, caught.value.message
        assert (await client.chat.completions.create(**asked(max_tokens=1))).choices
