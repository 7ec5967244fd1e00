"""Requests that no gateway passes on: each is refused, and the worker goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from server.wire.fastchat import ErrorCode
from tests.fakes.spoiled import broken, spoiled, with_a_million_keys
from tests.fakes.worker import Worker, local_worker

JSON = {"content-type": "application/json"}
PART = {"type": "text", "text": "one two"}
MESSAGE = {"role": "user", "content": [PART], "name": "ann"}
SAID = {
    "temperature": 0, "top_p": 1, "top_k": 1, "repetition_penalty": 1, "presence_penalty": 0,
    "frequency_penalty": 0,
}  # fmt: skip
ASKED = SAID | {
    "model": "echo", "max_tokens": 5, "n": 1, "logit_bias": {"1": 1}, "seed": 1, "stop": ["three"],
    "user": "u",
}  # fmt: skip
IDLE = {
    "metadata": {"a": "b"}, "modalities": ["text"], "parallel_tool_calls": True,
    "prediction": {"type": "content"}, "prompt_cache_key": "k", "prompt_cache_retention": "24h",
    "reasoning_effort": "low", "safety_identifier": "s", "service_tier": "auto", "store": False,
    "verbosity": "low",
}  # fmt: skip
STREAMED = {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": True}}
RAW = SAID | {
    "model": "echo", "prompt": "one two", "max_new_tokens": 5, "stop": ["three"],
    "stop_token_ids": [1], "echo": False,
}  # fmt: skip
GOOD: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": ASKED | STREAMED | IDLE | {
        "messages": [MESSAGE], "max_completion_tokens": 5, "logprobs": True, "top_logprobs": 2,
    },
    "/v1/completions": ASKED | {
        "prompt": "one two", "echo": True, "logprobs": 2, "best_of": 2, "suffix": "",
        "stream": False,
    },
    "/v1/embeddings": {
        "model": "echo", "input": ["one"], "encoding_format": "base64", "dimensions": 4,
        "user": "u",
    },
    "/v1/rerank": {
        "model": "echo", "query": "one", "documents": [{"text": "one"}, "two"], "top_n": 1,
        "return_documents": True, "max_tokens_per_doc": 3, "rank_fields": ["text"],
        "max_chunks_per_doc": 1,
    },
    "/tokenize": {"model": "echo", "messages": [MESSAGE], "return_token_strs": True},
    "/detokenize": {"model": "echo", "tokens": [1, 2]},
    "/worker_generate": RAW,
    "/worker_generate_stream": RAW,
    "/worker_get_embeddings": {"model": "echo", "input": ["one"], "encoding_format": "float"},
    "/count_token": {"model": "echo", "prompt": "one two"},
}  # fmt: skip
"""Every route that reads a body, with every field that it knows."""
INTERNAL = f'"error_code":{ErrorCode.INTERNAL_ERROR:d}'
"""FastChat's 500, in an answer with status 200."""


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with local_worker() as worker:
        yield worker


def demand_no_fault(answer: httpx.Response, what: object) -> None:
    """Law TYPED, for OpenAI's errors and for FastChat's."""
    assert answer.status_code < 500, (what, answer.text)
    assert INTERNAL not in answer.text, (what, answer.text)
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert set(error) == {"message", "type", "param", "code", "request_id"}, what
    for inside in ("Traceback", "site-packages", ".py", "pydantic"):
        assert inside not in answer.text, (what, answer.text)


@pytest.mark.parametrize("path", GOOD)
async def test_a_spoiled_body_is_refused(path: str, worker: Worker) -> None:
    bodies = spoiled(GOOD[path]) | {"a million keys": with_a_million_keys(GOOD[path])}
    for name, body in bodies.items():
        answer = await worker.http.post(path, content=body, headers=JSON)
        assert answer.status_code in (400, 413), (name, answer.text)
        demand_no_fault(answer, name)
    good = await worker.http.post(path, json=GOOD[path])
    assert good.status_code == 200, good.text
    assert '"error_code":5' not in good.text


@pytest.mark.parametrize("path", GOOD)
async def test_a_wrong_value_in_any_field_is_no_fault_of_the_worker(
    path: str, worker: Worker
) -> None:
    failed = []
    bodies = broken(GOOD[path])
    if "messages" in GOOD[path]:
        bodies += [(w, GOOD[path] | {"messages": [m]}) for w, m in broken(MESSAGE)]
        parts = [(w, MESSAGE | {"content": [part]}) for w, part in broken(PART)]
        bodies += [(w, GOOD[path] | {"messages": [m]}) for w, m in parts]
    for what, body in bodies:
        answer = await worker.http.post(path, content=json.dumps(body), headers=JSON)
        try:
            demand_no_fault(answer, what)
        except AssertionError as error:
            failed.append(f"{error!s:.300}")
    assert failed == []
    good = await worker.http.post(path, json=GOOD[path])
    assert good.status_code == 200, good.text
