from __future__ import annotations

import base64
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from server.core.errors import Overloaded
from server.core.settings import ModelSettings
from server.core.sse import event_data
from server.wire.fleet import GATEWAY_HEADER
from server.worker.engine import Load
from server.worker.local.model import fingerprint_of
from server.worker.local.usage import Usage
from tests.fakes.engines import FailingEngine
from tests.fakes.worker import ECHO, Worker, local_worker

MESSAGES = [{"role": "user", "content": "one two 你好 🙂"}]


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with local_worker() as worker:
        yield worker


def failing(*words: str, error: Exception) -> Load:
    return lambda _settings, _say: FailingEngine(words, error)


def events(answer: httpx.Response) -> list[Any]:
    *data, last = event_data(answer.content)
    assert last == b"[DONE]"
    return [json.loads(block) for block in data]


async def test_a_whole_chat_answer_has_openais_fields(worker: Worker) -> None:
    answer = (await worker.chat(messages=MESSAGES)).json()
    assert answer.pop("id").startswith("chatcmpl-")
    assert answer.pop("created") > 1_700_000_000
    assert answer == {
        "object": "chat.completion",
        "model": "echo",
        "system_fingerprint": fingerprint_of(ECHO),
        "service_tier": "default",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "one two 你好 🙂",
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": Usage(4, 4).json(),
    }


async def test_a_streamed_chat_has_role_text_finish_usage_and_done(worker: Worker) -> None:
    options = {"include_usage": True}
    answer = await worker.chat(messages=MESSAGES, stream=True, stream_options=options)
    assert answer.headers["content-type"].startswith("text/event-stream")
    first, *texts, finish, usage = events(answer)
    assert set(first) == {
        "id", "object", "created", "model", "system_fingerprint", "service_tier", "choices",
        "usage",
    }  # fmt: skip
    assert first["object"] == "chat.completion.chunk"
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert [t["choices"][0]["delta"] for t in texts] == [
        {"content": part} for part in ("one", " two", " 你好", " 🙂")
    ]
    assert finish["choices"][0] == {
        "index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"
    }  # fmt: skip
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 8
    assert all(chunk["usage"] is None for chunk in (first, *texts, finish))


async def test_without_include_usage_no_chunk_speaks_of_it(worker: Worker) -> None:
    assert not any("usage" in chunk for chunk in events(await worker.chat(stream=True)))


async def test_a_gateway_is_told_the_usage_in_a_comment(worker: Worker) -> None:
    body = {"model": "echo", "messages": MESSAGES, "stream": True}
    asked = worker.http.post("/v1/chat/completions", json=body, headers={GATEWAY_HEADER: "gw"})
    answer = await asked
    assert not any("usage" in chunk for chunk in events(answer))
    *_, told, done, _ = answer.text.split("\n\n")
    assert json.loads(told.removeprefix(": ")) == {"usage": Usage(4, 4).json()}
    assert done == "data: [DONE]"


async def test_each_choice_has_its_index_and_the_prompt_counts_once(worker: Worker) -> None:
    answer = (await worker.chat(messages=MESSAGES, n=3)).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert answer["usage"] == Usage(4, 12).json()
    chunks = events(await worker.chat(messages=MESSAGES, n=2, stream=True))
    ends = [c for chunk in chunks for c in chunk["choices"] if c["finish_reason"]]
    assert [end["index"] for end in ends] == [0, 1]


async def test_max_tokens_and_stop_end_an_answer(worker: Worker) -> None:
    short = (await worker.chat(max_tokens=2)).json()["choices"][0]
    assert (short["message"]["content"], short["finish_reason"]) == ("one two", "length")
    other = (await worker.chat(max_completion_tokens=1)).json()["choices"][0]
    assert other["message"]["content"] == "one"
    stopped = (await worker.chat(stop="o th")).json()["choices"][0]
    assert (stopped["message"]["content"], stopped["finish_reason"]) == ("one tw", "stop")


async def test_content_parts_of_text_are_joined(worker: Worker) -> None:
    parts = [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]
    answer = await worker.chat(messages=[{"role": "user", "content": parts}])
    assert answer.json()["choices"][0]["message"]["content"] == "a b"


async def test_completions_take_lists_and_tokens_and_echo(worker: Worker) -> None:
    body = {"model": "echo", "prompt": ["a b", "c"], "n": 2, "echo": True}
    answer = (await worker.http.post("/v1/completions", json=body)).json()
    assert [(c["index"], c["text"]) for c in answer["choices"]] == [
        (0, "a ba b"), (1, "a ba b"), (2, "cc"), (3, "cc")
    ]  # fmt: skip
    assert answer["usage"]["prompt_tokens"] == 3
    tokens = await worker.http.post("/v1/completions", json={"model": "echo", "prompt": [1, 2]})
    assert tokens.json()["choices"][0]["text"] == "1 2"


async def test_a_completion_is_16_tokens_unless_told(worker: Worker) -> None:
    body = {"model": "echo", "prompt": "w " * 40}
    assert (await worker.http.post("/v1/completions", json=body)).json()["choices"][0][
        "finish_reason"
    ] == "length"


async def test_embeddings_come_as_numbers_or_base64(worker: Worker) -> None:
    body = {"model": "echo", "input": ["a", "b"]}
    plain = (await worker.http.post("/v1/embeddings", json=body)).json()
    assert [item["index"] for item in plain["data"]] == [0, 1]
    assert plain["usage"] == {"prompt_tokens": 2, "total_tokens": 2}
    coded = (
        await worker.http.post("/v1/embeddings", json=body | {"encoding_format": "base64"})
    ).json()
    raw = base64.b64decode(coded["data"][0]["embedding"])
    vector = plain["data"][0]["embedding"]
    assert struct.unpack(f"<{len(vector)}f", raw) == pytest.approx(vector)


async def test_models_are_listed_and_shown(worker: Worker) -> None:
    listed = (await worker.http.get("/v1/models")).json()["data"]
    assert [card["id"] for card in listed] == ["echo"]
    assert (await worker.http.get("/v1/models/echo")).json() == listed[0]


@pytest.mark.parametrize("value", [None, 5, [], "", [""], [[]], [None], ["x"] * 2049, {"a": 1}])
async def test_wrong_embedding_inputs_are_refused(worker: Worker, value: Any) -> None:
    body = {"model": "echo", "input": value}
    assert (await worker.http.post("/v1/embeddings", json=body)).status_code == 400


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"model": NaN}', b'{"a":1,"a":2}', b"\xff"])
async def test_what_is_no_json_object_is_refused(worker: Worker, raw: bytes) -> None:
    answer = await worker.http.post(
        "/v1/chat/completions", content=raw, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400


async def test_another_model_is_not_found(worker: Worker) -> None:
    answer = await worker.chat(model="../etc/passwd")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_prompt_too_long_is_told_in_openais_words(worker: Worker) -> None:
    answer = await worker.chat(messages=[{"role": "user", "content": "w " * 9000}])
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "context_length_exceeded")
    assert "maximum context length is 8192 tokens" in error["message"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (
            "chat/completions",
            {"messages": [{"role": "user", "content": " " * 200_000}]},
            "messages",
        ),
        ("completions", {"prompt": " " * 200_000}, "prompt"),
        ("embeddings", {"input": ["x", " " * 200_000]}, "input"),
    ],
)
async def test_a_text_that_cannot_fit_is_refused_by_its_length(
    worker: Worker, path: str, body: Any, param: str
) -> None:
    answer = await worker.http.post(f"/v1/{path}", json={"model": "echo"} | body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "context_length_exceeded")
    assert error["param"] == param
    assert "200000 characters" in error["message"]


async def test_what_an_engine_cannot_do_is_refused_plainly() -> None:
    load = failing(error=ValueError())
    async with local_worker(load=load) as worker:
        answer = await worker.http.post("/v1/embeddings", json={"model": "echo", "input": "x"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unsupported_model")


async def test_strangers_are_turned_away(worker: Worker) -> None:
    async with httpx.AsyncClient(base_url=worker.url) as stranger:
        assert (await stranger.get("/v1/models")).status_code == 401
        assert (await stranger.post("/worker_get_status")).status_code == 401
        rebound = {"host": "evil.example"}
        assert (await stranger.get("/v1/models", headers=rebound)).status_code == 403


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status"), [(Overloaded("full", retry_after_s=3), 429), (ValueError("broken"), 500)]
)
async def test_an_error_before_the_first_piece_keeps_its_status(
    stream: bool, error: Exception, status: int
) -> None:
    async with local_worker(load=failing(error=error)) as worker:
        answer = await worker.chat(stream=stream)
        assert answer.status_code == status
        assert "broken" not in answer.text
        assert (await worker.stats())["running"] == 0


async def test_an_error_after_the_first_piece_is_the_last_event() -> None:
    async with local_worker(load=failing("a", "b", error=ValueError("secret"))) as worker:
        answer = await worker.chat(stream=True)
        *_, last = event_data(answer.content)
        assert json.loads(last)["error"]["code"] == "internal_error"
        assert b"event: error" in answer.content
        assert b"[DONE]" not in answer.content
        assert b"secret" not in answer.content
        assert b'"finish_reason":"' not in answer.content


async def test_one_request_too_many_is_told_when_to_come_back() -> None:
    model = ModelSettings(
        name="echo", path="-", engine="echo", slots=1, queue=0, options={"delay_ms": 200}
    )
    async with (
        local_worker(model) as worker,
        worker.http.stream(
            "POST",
            "/v1/chat/completions",
            json={"model": "echo", "messages": MESSAGES, "stream": True},
        ),
    ):
        answer = await worker.chat()
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1
