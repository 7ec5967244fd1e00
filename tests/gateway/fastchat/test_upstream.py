from __future__ import annotations

import asyncio
import json
import math
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from struct import pack
from typing import Any

import pytest

from server.clients.http import HTTPClient
from server.core.errors import (
    BadAnswer,
    BadRequest,
    ConnectFailed,
    ContextLengthExceeded,
    CutOff,
    Overloaded,
    RequestError,
    Unavailable,
    UpstreamFailed,
)
from server.gateway.fastchat.client import TEMPLATE_S
from server.gateway.fastchat.upstream import FastChatUpstream
from server.wire.fastchat import ErrorCode, failure, piece
from server.wire.fleet import Ability
from tests.fakes.clock import ManualClock
from tests.fakes.upstream import (
    CLOSE_DELIMITED_HEAD,
    LAST_CHUNK,
    STREAM_HEAD,
    Received,
    Upstream,
    Writer,
    chunk,
    upstream,
    whole,
)

pytestmark = pytest.mark.anyio

TEMPLATE = {
    "name": "test",
    "system_template": "<{system_message}>",
    "system_message": "Be kind.",
    "roles": ["U", "A"],
    "messages": [],
    "offset": 0,
    "sep_style": 1,
    "sep": "|",
    "sep2": None,
    "stop_str": "###",
    "stop_token_ids": [2],
}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def said(text: str, **more: Any) -> bytes:
    return piece({"text": text, "error_code": 0, "finish_reason": None, **more})


def last(text: str, reason: str = "stop", prompt: int = 4, completion: int = 2) -> bytes:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    return said(text, finish_reason=reason, usage=usage)


HELLO = said("He") + last("Hello")


class Worker:
    """A FastChat worker by hand: `stream` is what it generates."""

    def __init__(self, stream: bytes = HELLO) -> None:
        self.answers: dict[str, dict[str, Any]] = {
            "/worker_get_conv_template": {"conv": TEMPLATE},
            "/model_details": {"context_length": 100},
            "/count_token": {"count": 4, "error_code": 0},
        }
        self.stream = STREAM_HEAD + chunk(stream) + LAST_CHUNK
        self.hang_up = False
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def serve(self, request: Received, writer: Writer) -> None:
        path = request.head.split(b" ")[1].decode()
        self.asked.append((path, json.loads(request.body)))
        if path in self.answers:
            writer.write(whole(json.dumps(self.answers[path]).encode()))
            return
        writer.write(self.stream)
        if self.hang_up:
            writer.close()

    def params(self) -> dict[str, Any]:
        """Of the last generation."""
        return next(body for path, body in reversed(self.asked) if path.endswith("_stream"))


@asynccontextmanager
async def pool() -> AsyncIterator[HTTPClient]:
    http = HTTPClient()
    yield http
    http.close()


@asynccontextmanager
async def client_of(worker: Worker) -> AsyncIterator[tuple[FastChatUpstream, Upstream]]:
    async with upstream(worker.serve) as fake, pool() as http:
        yield FastChatUpstream(http, clock=ManualClock()), fake


async def ask(worker: Worker, fields: dict[str, Any], ability: Ability = "chat") -> Any:
    """The JSON of a whole answer."""
    async with client_of(worker) as (client, fake):
        async with client.answer(fake.url, ability, fields) as answer:
            assert (b"content-type", b"application/json") in answer.headers
            body = await answer.chunk()
            assert await answer.chunk() == b""
        return json.loads(body)


async def stream(worker: Worker, fields: dict[str, Any], ability: Ability = "chat") -> list[Any]:
    """The events of a streamed answer; the last must be the end mark."""
    async with client_of(worker) as (client, fake):
        async with client.answer(fake.url, ability, fields | {"stream": True}) as answer:
            body = b""
            while part := await answer.chunk():
                assert part.endswith(b"\n\n")
                body += part
    *events, done, rest = body.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


async def test_a_chat_becomes_a_prompt_in_the_workers_own_words() -> None:
    worker = Worker()
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi {0} {{x}}"}]},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Go on"},
    ]
    fields = {"model": "m", "messages": messages, "stop": "END", "top_p": 0.5, "max_tokens": 7}
    await ask(worker, fields)
    assert worker.params() == {
        "model": "m",
        "prompt": "<Be brief.>|U: Hi {0} {{x}}|A: Yes?|U: Go on|A:",
        "temperature": 0.7,
        "top_p": 0.5,
        "top_k": -1,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "logprobs": None,
        "echo": False,
        "stop": ["END", "###"],
        "stop_token_ids": [2],
        "max_new_tokens": 7,
    }


async def test_a_whole_chat_answer_is_openais() -> None:
    answer = await ask(Worker(), CHAT)
    assert answer.pop("id").startswith("chatcmpl-")
    assert answer == {
        "object": "chat.completion",
        "created": int(ManualClock().wall()),
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6},
    }


async def test_cumulative_text_becomes_deltas_between_role_and_finish_reason() -> None:
    events = await stream(Worker(), CHAT | {"stream_options": {"include_usage": True}})
    assert len({event["id"] for event in events}) == 1
    *parts, end = events
    assert [part["choices"][0]["delta"] for part in parts] == [
        {"role": "assistant", "content": ""},
        {"content": "He"},
        {"content": "llo"},
        {},
    ]
    assert [part["choices"][0]["finish_reason"] for part in parts] == [None, None, None, "stop"]
    assert end["choices"] == []
    assert end["usage"]["total_tokens"] == 6


async def test_a_character_is_sent_when_it_is_complete() -> None:
    pieces = said("\ufffd") + said("你\ufffd\ufffd") + said("你") + last("你好\ufffd", "length")
    events = await stream(Worker(pieces), CHAT)
    texts = [event["choices"][0]["delta"].get("content") for event in events]
    assert texts == ["", "你", "好", None]


async def test_pieces_cut_anywhere_read_the_same() -> None:
    worker = Worker()
    raw = said("你") + last("你好")
    worker.stream = STREAM_HEAD + b"".join(chunk(bytes([byte])) for byte in raw) + LAST_CHUNK
    answer = await ask(worker, CHAT)
    assert answer["choices"][0]["message"]["content"] == "你好"


async def test_completions_of_several_prompts_and_choices_stand_in_order() -> None:
    worker = Worker()
    fields = {"model": "m", "prompt": ["a", "b"], "n": 2, "echo": True, "logprobs": 3}
    answer = await ask(worker, fields, "completions")
    assert [(c["index"], c["text"]) for c in answer["choices"]] == [(i, "Hello") for i in range(4)]
    prompts = [body["prompt"] for path, body in worker.asked if path.endswith("_stream")]
    assert prompts == ["a", "a", "b", "b"]
    params = worker.params()
    assert (params["max_new_tokens"], params["echo"], params["logprobs"]) == (16, True, 3)
    assert answer["usage"] == {"prompt_tokens": 8, "completion_tokens": 8, "total_tokens": 16}


async def test_a_streamed_completion_is_openais() -> None:
    events = await stream(Worker(), {"model": "m", "prompt": "x"}, "completions")
    assert {event["object"] for event in events} == {"text_completion"}
    assert [event["choices"][0]["text"] for event in events] == ["He", "llo", ""]


async def test_embeddings_are_asked_for_in_batches_and_told_in_order() -> None:
    worker = Worker()
    vectors = [[1.0, 0.5]] * 4
    worker.answers["/worker_get_embeddings"] = {"embedding": vectors, "token_num": 3}
    answer = await ask(worker, {"model": "m", "input": ["t"] * 8}, "embeddings")
    assert [item["index"] for item in answer["data"]] == list(range(8))
    assert answer["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    encoded = {"model": "m", "input": ["t"] * 4, "encoding_format": "base64"}
    answer = await ask(worker, encoded, "embeddings")
    assert answer["data"][0]["embedding"] == b64encode(pack("<2f", 1.0, 0.5)).decode()


@pytest.mark.parametrize("vectors", [None, [], [[1.0]] * 2, ["x"], [[1e300]], [7]])
async def test_vectors_that_are_none_are_a_bad_answer(vectors: object) -> None:
    worker = Worker()
    worker.answers["/worker_get_embeddings"] = {"embedding": vectors, "token_num": 1}
    fields = {"model": "m", "input": "t", "encoding_format": "base64"}
    with pytest.raises(BadAnswer):
        await ask(worker, fields, "embeddings")


async def test_a_prompt_without_room_for_an_answer_is_refused_before_it_is_sent() -> None:
    worker = Worker()
    worker.answers["/count_token"] = {"count": 100, "error_code": 0}
    with pytest.raises(ContextLengthExceeded, match=r"100 tokens\. However"):
        await ask(worker, CHAT)
    assert not any(path.endswith("_stream") for path, _ in worker.asked)


async def test_an_answer_gets_the_room_that_is_left() -> None:
    worker = Worker()
    await ask(worker, CHAT | {"max_tokens": 5000})
    assert worker.params()["max_new_tokens"] == 96
    await ask(worker, CHAT)
    assert worker.params()["max_new_tokens"] == 96


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (ErrorCode.CONTEXT_OVERFLOW, ContextLengthExceeded),
        (ErrorCode.PARAM_OUT_OF_RANGE, BadRequest),
        (ErrorCode.ENGINE_OVERLOADED, Overloaded),
        (ErrorCode.CUDA_OUT_OF_MEMORY, UpstreamFailed),
        (ErrorCode.INTERNAL_ERROR, UpstreamFailed),
        (ErrorCode.CONTROLLER_NO_WORKER, Unavailable),
        (12345, UpstreamFailed),
    ],
)
async def test_the_workers_errors_become_ours_and_their_text_stays_there(
    code: ErrorCode, kind: type[RequestError], streamed: bool
) -> None:
    worker = Worker(failure(code, "File /root/secret.py, line 3"))
    with pytest.raises(kind) as caught:
        await ask(worker, CHAT | {"stream": streamed})
    assert "secret" not in str(caught.value)


async def test_an_error_after_text_is_raised_in_mid_stream() -> None:
    worker = Worker(said("He") + failure(ErrorCode.CUDA_OUT_OF_MEMORY))
    with pytest.raises(UpstreamFailed):
        await stream(worker, CHAT)


CUTS = [
    (STREAM_HEAD + chunk(said("He")) + LAST_CHUNK, False),
    (STREAM_HEAD + chunk(said("He")), True),
    (STREAM_HEAD + chunk(HELLO[:-1]) + LAST_CHUNK, False),
    (CLOSE_DELIMITED_HEAD + said("He"), True),
    (STREAM_HEAD + LAST_CHUNK, False),
    (b"", True),
]


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(("raw", "hang_up"), CUTS)
async def test_a_cut_never_looks_like_an_end(raw: bytes, hang_up: bool, streamed: bool) -> None:
    worker = Worker()
    worker.stream, worker.hang_up = raw, hang_up
    with pytest.raises(CutOff):
        await (stream if streamed else ask)(worker, CHAT)


@pytest.mark.parametrize(
    "raw",
    [
        whole(b"<html>\0"),
        whole(b"[]\0"),
        whole(b'{"error_code": 0}\0'),
        whole(b'{"text": "\xff", "error_code": 0}\0'),
        whole(b"oops", "500 Oops"),
        whole(b"", "302 Found", "location: http://127.0.0.1:1/"),
    ],
)
async def test_nonsense_is_a_bad_answer(raw: bytes) -> None:
    worker = Worker()
    worker.stream = raw
    with pytest.raises(BadAnswer):
        await ask(worker, CHAT)


async def test_nonsense_about_usage_is_replaced_by_our_own_count() -> None:
    for wrong in (-1, 10**18, "many", None, math.pi):
        usage = {"prompt_tokens": wrong, "completion_tokens": wrong}
        worker = Worker(said("He", usage=usage) + said("Hello", usage=usage, finish_reason="stop"))
        answer = await ask(worker, CHAT)
        assert answer["usage"] == {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": []},
        {"messages": "Hi"},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": 7}]},
        {"messages": [{"role": "user", "content": [{"type": "audio"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]},
        {"messages": ["Hi"]},
        {"n": 0},
        {"n": 10_000},
        {"n": 1.5},
        {"temperature": 3},
        {"temperature": True},
        {"top_p": "1"},
        {"max_tokens": 0},
        {"max_tokens": 2**63},
        {"stop": 7},
        {"stop": ["x"] * 100},
        {"tools": [{"type": "function"}]},
        {"logprobs": True},
        {"response_format": {"type": "json_object"}},
    ],
)
async def test_what_the_worker_cannot_do_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        await ask(Worker(), CHAT | wrong)


@pytest.mark.parametrize("prompt", [None, [], [1, 2], [[1]], 7])
async def test_prompts_of_token_numbers_are_refused(prompt: object) -> None:
    with pytest.raises(BadRequest):
        await ask(Worker(), {"model": "m", "prompt": prompt}, "completions")


async def test_images_go_to_models_that_take_them_and_are_refused_by_others() -> None:
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
    ]
    fields = {"model": "m", "messages": [{"role": "user", "content": parts}]}
    with pytest.raises(BadRequest, match="images"):
        await ask(Worker(), fields)
    worker = Worker()
    seeing = TEMPLATE | {"sep_style": 2, "sep2": "|"}
    worker.answers["/worker_get_conv_template"] = {"conv": seeing}
    await ask(worker, fields)
    assert worker.params()["images"] == ["data:image/png;base64,AA"]


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://example.org/cat.png",
        "HTTP://127.0.0.1:1/cat.png",
        "/etc/cat.png",
        "file:///etc/cat.png",
        "data:text/html;base64,AA",
    ],
)
async def test_no_worker_is_sent_to_fetch_an_image(url: str) -> None:
    parts = [{"type": "image_url", "image_url": {"url": url}}]
    worker = Worker()
    worker.answers["/worker_get_conv_template"] = {"conv": TEMPLATE | {"sep_style": 2, "sep2": "|"}}
    with pytest.raises(BadRequest, match="send each image itself"):
        await ask(worker, {"model": "m", "messages": [{"role": "user", "content": parts}]})


async def test_a_whole_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.clients.calls.MAX_ANSWER_BYTES", 1000)
    worker = Worker()
    worker.answers["/worker_get_embeddings"] = {"embedding": [[0.5] * 1000], "token_num": 1}
    with pytest.raises(BadAnswer, match="no end"):
        await ask(worker, {"model": "m", "input": "Hi"}, "embeddings")


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_worker_that_is_full_says_so_before_anything_is_answered(streamed: bool) -> None:
    worker = Worker(failure(ErrorCode.ENGINE_OVERLOADED))
    async with client_of(worker) as (client, fake):
        with pytest.raises(Overloaded):
            async with client.answer(fake.url, "chat", CHAT | {"stream": streamed}):
                pytest.fail("there is nothing to pass on")


async def test_a_worker_that_is_not_there_was_sent_nothing() -> None:
    async with pool() as http:
        with pytest.raises(ConnectFailed):
            async with FastChatUpstream(http).answer("http://127.0.0.1:1", "chat", CHAT):
                pass


async def test_a_template_is_asked_for_once_in_a_while() -> None:
    worker, clock = Worker(), ManualClock()
    async with upstream(worker.serve) as fake, pool() as http:
        client = FastChatUpstream(http, clock=clock)
        for wait_s in (0.0, TEMPLATE_S / 2, TEMPLATE_S):
            clock.advance(wait_s)
            async with client.answer(fake.url, "chat", CHAT):
                pass
    paths = [path for path, _ in worker.asked]
    assert paths.count("/worker_get_conv_template") == 2


async def test_leaving_in_mid_stream_hangs_up_on_the_worker() -> None:
    worker = Worker()
    worker.stream = STREAM_HEAD + chunk(said("He"))
    async with client_of(worker) as (client, fake):
        fake.closed.clear()
        async with client.answer(fake.url, "chat", CHAT | {"stream": True}) as answer:
            assert b'"He"' in await answer.chunk()
        async with asyncio.timeout(2):
            await fake.closed.wait()


async def test_a_worker_silent_between_two_pieces_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.gateway.fastchat.client.BETWEEN_TOKENS_S", 0.05)
    worker = Worker()
    worker.stream = STREAM_HEAD + chunk(said("He"))
    with pytest.raises(CutOff, match="silent"):
        await ask(worker, CHAT)
