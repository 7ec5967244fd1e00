"""Every answer and chunk of a live local worker, held against the types of OpenAI's own client.

That client takes whatever comes; here a field of a wrong type, one that is missing, or one that
nobody knows is a failure.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from server.core.settings import ModelSettings
from server.core.sse import event_data
from server.wire.fleet import SECRET_HEADER
from tests.fakes.worker import ECHO, SECRET, Worker, local_worker

BUNDLED = ModelSettings(name="mini", path="bundled:shortline-mini", device="cpu", threads=1)
OURS = {"reasoning_content", "stop_reason", "context_length", "abilities", "root", "parent"}
"""Fields beyond OpenAI's."""
ASKED: list[dict[str, Any]] = [
    {},
    {"max_tokens": 2},
    {"n": 3, "max_tokens": 4, "seed": 1},
    {"logprobs": True, "max_tokens": 4},
    {"logprobs": True, "top_logprobs": 20, "n": 2, "max_tokens": 4},
    {"stop": ["o", "。"], "user": "u", "metadata": {"a": "b"}, "store": True},
    {"service_tier": "flex", "reasoning_effort": "low", "verbosity": "high"},
    {"max_tokens": 1, "max_completion_tokens": 5, "temperature": 0, "parallel_tool_calls": False},
]
PROMPTED: list[dict[str, Any]] = [
    {},
    {"max_tokens": 2, "n": 2, "seed": 1},
    {"logprobs": 0, "max_tokens": 4},
    {"logprobs": 5, "echo": True, "max_tokens": 4},
    {"logprobs": 5, "echo": True, "max_tokens": 0},
    {"echo": True, "max_tokens": 0},
    {"prompt": [[1, 2, 3], [5, 6, 7]], "echo": True, "logprobs": 1, "max_tokens": 3},
    {"prompt": None, "max_tokens": 3},
]
WHOLE: list[dict[str, Any]] = [{"best_of": 3, "n": 2, "max_tokens": 4, "seed": 5}]
"""Beyond `PROMPTED`: what cannot be streamed."""
USAGE = {"include_usage": True}


@pytest.fixture(params=[ECHO, BUNDLED], ids=["echo", "bundled"])
async def worker(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Worker, str]]:
    async with local_worker(request.param) as worker:
        yield worker, request.param.name


def demand(kind: type[BaseModel], told: dict[str, Any]) -> None:
    """`told` is a `kind`, field by field."""
    found = kind.model_validate(_as_types_have_it(told), strict=True)
    assert sorted(_strangers(found)) == [], told
    for choice in told.get("choices", ()):
        assert {"index", "logprobs", "finish_reason"} <= choice.keys()
        if "message" in choice:
            assert {"role", "content", "refusal", "annotations"} <= choice["message"].keys()


def _as_types_have_it(told: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's API says null in two places of completions of which its types do not know: as the
    end of a chunk that is not the last, and as the odds of the first token of all."""
    if told["object"] != "text_completion":
        return told
    choices = [dict(choice) for choice in told["choices"]]
    for choice in choices:
        choice["finish_reason"] = choice["finish_reason"] or "stop"
        if choice["logprobs"]:
            columns = choice["logprobs"].items()
            choice["logprobs"] = {name: [x for x in xs if x is not None] for name, xs in columns}
    return told | {"choices": choices}


def _strangers(found: object) -> Iterator[str]:
    """Fields that the types do not have."""
    if isinstance(found, BaseModel):
        yield from (found.model_extra or {}).keys() - OURS
        for name in type(found).model_fields:
            yield from _strangers(getattr(found, name))
    elif isinstance(found, list):
        for item in found:
            yield from _strangers(item)


async def post(worker: Worker, path: str, body: dict[str, Any]) -> Any:
    answer = await worker.http.post(path, json=body)
    assert answer.status_code == 200, (body, answer.text)
    if not body.get("stream"):
        return answer.json()
    *data, last = event_data(answer.content)
    assert last == b"[DONE]"
    return [json.loads(block) for block in data]


async def test_whole_answers_are_of_openais_types(worker: tuple[Worker, str]) -> None:
    there, model = worker
    said = {"model": model, "messages": [{"role": "user", "content": "one two 你好 🙂"}]}
    for fields in ASKED:
        demand(ChatCompletion, await post(there, "/v1/chat/completions", said | fields))
    for fields in (*PROMPTED, *WHOLE):
        body = {"model": model, "prompt": "one two 你好 🙂"} | fields
        demand(Completion, await post(there, "/v1/completions", body))


async def test_chunks_are_of_openais_types(worker: tuple[Worker, str]) -> None:
    there, model = worker
    chat = {"messages": [{"role": "user", "content": "one two 你好 🙂"}]}
    asked: list[tuple[str, type[BaseModel], dict[str, Any]]]
    asked = [("/v1/chat/completions", ChatCompletionChunk, chat | fields) for fields in ASKED]
    asked += [("/v1/completions", Completion, {"prompt": "one two"} | more) for more in PROMPTED]
    for path, kind, fields in asked:
        for options in (None, USAGE):
            body = {"model": model, "stream": True, "stream_options": options} | fields
            chunks = await post(there, path, body)
            for chunk in chunks:
                demand(kind, chunk)
            assert len({chunk["id"] for chunk in chunks}) == 1
            assert all(("usage" in chunk) == (options is USAGE) for chunk in chunks)
            assert all(chunk["usage"] is None for chunk in chunks[:-1] if options)


async def test_a_stream_has_used_what_a_whole_answer_has(worker: tuple[Worker, str]) -> None:
    there, model = worker
    body = {"model": model, "prompt": "one two", "n": 2, "max_tokens": 5, "seed": 3}
    whole = await post(there, "/v1/completions", body)
    streamed = body | {"stream": True, "stream_options": USAGE}
    last = (await post(there, "/v1/completions", streamed))[-1]
    assert last["choices"] == []
    for count in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert last["usage"][count] == whole["usage"][count]


async def test_models_and_vectors_are_of_openais_types(worker: tuple[Worker, str]) -> None:
    there, model = worker
    listed = (await there.http.get("/v1/models")).json()
    assert listed["object"] == "list"
    for told in (*listed["data"], (await there.http.get(f"/v1/models/{model}")).json()):
        demand(Model, told)
    if model == ECHO.name:
        body = {"model": model, "input": ["a", "b"], "user": "u"}
        demand(CreateEmbeddingResponse, await post(there, "/v1/embeddings", body))


async def test_a_prompts_tokens_have_as_many_odds_as_there_are(worker: tuple[Worker, str]) -> None:
    """As lm-eval reads them: token ids in, and what was generated cut off by its number."""
    there, model = worker
    counted = await post(there, "/tokenize", {"model": model, "prompt": "Shortline is a server."})
    body = {"model": model, "prompt": [counted["tokens"]], "echo": True, "logprobs": 1}
    for most in (0, 1):
        answer = await post(there, "/v1/completions", body | {"max_tokens": most, "temperature": 0})
        [choice] = answer["choices"]
        logprobs = choice["logprobs"]
        assert len(logprobs["token_logprobs"]) == counted["count"] + most
        assert logprobs["token_logprobs"][0] is None
        for odds, top in zip(
            logprobs["token_logprobs"][1:], logprobs["top_logprobs"][1:], strict=True
        ):
            assert odds <= max(top.values()) <= 0
        assert answer["usage"]["completion_tokens"] == most


@asynccontextmanager
async def client_of(worker: Worker) -> AsyncIterator[AsyncOpenAI]:
    headers = {SECRET_HEADER: SECRET.get_secret_value()}
    async with AsyncOpenAI(
        base_url=f"{worker.url}/v1", api_key="any", default_headers=headers, max_retries=0
    ) as client:
        yield client


async def test_the_client_folds_a_stream_into_a_whole_answer(worker: tuple[Worker, str]) -> None:
    there, model = worker
    async with client_of(there) as client:
        ask: Any = partial(
            client.chat.completions.create,
            model=model,
            messages=[{"role": "user", "content": "Which port does the API use?"}],
            logprobs=True,
            top_logprobs=2,
            temperature=0,
        )
        state = ChatCompletionStreamState()
        async for chunk in await ask(stream=True):
            state.handle_chunk(chunk)
        folded, whole = state.get_final_completion(), await ask()
    one, other = folded.choices[0], whole.choices[0]
    assert one.message.content == other.message.content
    assert one.finish_reason == other.finish_reason
    assert one.logprobs is not None
    assert other.logprobs is not None
    assert [t.token for t in one.logprobs.content or ()] == [
        t.token for t in other.logprobs.content or ()
    ]
    assert "".join(t.token for t in other.logprobs.content or ()) == other.message.content


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"top_logprobs": 2}, "top_logprobs", "invalid_value"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        ({"audio": {}, "modalities": ["audio"]}, "modalities[0]", "invalid_value"),
        ({"messages": [{"role": "user", "content": [{"type": "file"}]}]},
         "messages[0].content[0]", "invalid_value"),
    ],
)  # fmt: skip
async def test_a_mistake_is_the_clients_own_error(
    fields: dict[str, Any], param: str, code: str
) -> None:
    said = {"model": "echo", "messages": [{"role": "user", "content": "x"}]} | fields
    async with local_worker() as worker, client_of(worker) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.post("/chat/completions", body=said, cast_to=ChatCompletion)
        assert (caught.value.param, caught.value.code) == (param, code)
        assert caught.value.type == "invalid_request_error"
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="other", input="x")
