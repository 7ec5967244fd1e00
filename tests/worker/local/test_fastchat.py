from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.core.settings import ModelSettings
from server.web.asgi import Receive, Scope, Send, read_body, send_json
from server.wire.fastchat import WorkerStatus
from server.worker.asked import Embedded, Prepared, Prompt
from server.worker.engine import Engine
from server.worker.local.fastchat_heart import FastChatHeart
from tests.fakes.live_server import live_server
from tests.fakes.tiny_llama import CONTEXT
from tests.fakes.waiting import until
from tests.fakes.worker import ECHO, SECRET, Worker, local_worker


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with local_worker() as worker:
        yield worker


@pytest.fixture
async def llama(tiny_llama: Path) -> AsyncIterator[Worker]:
    model = ModelSettings(name="tiny", path=str(tiny_llama), device="cpu", threads=1)
    async with local_worker(model) as worker:
        yield worker


async def post(worker: Worker, path: str, **body: Any) -> Any:
    answer = await worker.http.post(path, json=body)
    assert answer.status_code == 200
    return answer.json()


def states(raw: bytes) -> list[Any]:
    *pieces, rest = raw.split(b"\0")
    assert rest == b""
    return [json.loads(piece) for piece in pieces]


async def test_a_stream_is_the_whole_text_again_and_again(worker: Worker) -> None:
    answer = await worker.http.post(
        "/worker_generate_stream", json={"prompt": "one 你好 🙂", "echo": False}
    )
    found = states(answer.content)
    assert [state["text"] for state in found] == ["one", "one 你好", "one 你好 🙂", "one 你好 🙂"]
    assert [state["finish_reason"] for state in found] == [None, None, None, "stop"]
    assert all(state["error_code"] == 0 for state in found)
    assert found[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}


async def test_a_whole_answer_is_the_last_state(worker: Worker) -> None:
    answer = await post(worker, "/worker_generate", prompt="one two three", max_new_tokens=2)
    assert answer["text"] == "one two three" + "one two"
    assert answer["finish_reason"] == "length"


async def test_stops_are_kept_out(worker: Worker) -> None:
    answer = await post(worker, "/worker_generate", prompt="a b ###c", stop=["###"], echo=False)
    assert (answer["text"], answer["finish_reason"]) == ("a b ", "stop")


async def test_a_prompt_too_long_has_fastchats_code(worker: Worker) -> None:
    prompt = "w " * 9000
    assert (await post(worker, "/worker_generate", prompt=prompt))["error_code"] == 40303
    streamed = await worker.http.post("/worker_generate_stream", json={"prompt": prompt})
    assert [state["error_code"] for state in states(streamed.content)] == [40303]


async def test_embeddings_tokens_details_and_status(worker: Worker) -> None:
    embedded = await post(worker, "/worker_get_embeddings", input=["a", "b c"])
    assert (len(embedded["embedding"]), embedded["token_num"]) == (2, 3)
    coded = await post(worker, "/worker_get_embeddings", input=["a"], encoding_format="base64")
    assert len(base64.b64decode(coded["embedding"][0])) == 4 * len(embedded["embedding"][0])
    assert await post(worker, "/count_token", prompt="a b c") == {"count": 3, "error_code": 0}
    assert await post(worker, "/model_details") == {"context_length": 8192}
    status = await post(worker, "/worker_get_status")
    assert status == {"model_names": ["echo"], "speed": 1.0, "queue_length": 0}


async def test_a_prompt_far_too_long_is_counted_as_one_that_does_not_fit(worker: Worker) -> None:
    answer = await post(worker, "/count_token", prompt="w " * 100_000)
    assert (answer["error_code"], answer["count"]) == (40303, 8193)
    assert "maximum context length is 8192 tokens" in answer["text"]


class Broken(Engine):
    abilities = ("completions", "embeddings")

    async def prepare(self, prompt: Prompt) -> Prepared:
        raise RuntimeError("secret")

    async def embed(
        self,
        inputs: Sequence[str | tuple[int, ...]],
        dimensions: int | None = None,
        *,
        lane: str = "normal",
        customer: str = "",
    ) -> Embedded:
        raise RuntimeError("secret")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/worker_generate", {"prompt": "x"}),
        ("/worker_get_embeddings", {"input": ["x"]}),
        ("/count_token", {"prompt": "x"}),
    ],
)
async def test_an_engine_that_fails_has_fastchats_code(
    path: str, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with local_worker(load=lambda _settings, _say: Broken()) as worker:
        answer = await worker.http.post(path, json=body, headers={"x-request-id": "known-1"})
        assert (answer.status_code, answer.json()["error_code"]) == (200, 50001)
        assert "secret" not in answer.text
        assert (await worker.stats())["running"] == 0
    [logged] = [record for record in caplog.records if record.message == "the engine failed"]
    assert vars(logged)["request_id"] == "known-1"


@pytest.mark.parametrize("body", [{}, {"prompt": 5}, {"prompt": "x", "temperature": -1}])
async def test_wrong_parameters_are_refused(worker: Worker, body: Any) -> None:
    assert (await worker.http.post("/worker_generate", json=body)).status_code == 400


async def test_the_conversation_makes_the_models_own_prompt(llama: Worker) -> None:
    conv = (await post(llama, "/worker_get_conv_template"))["conv"]
    assert set(conv) == {
        "name", "system_template", "system_message", "roles", "messages", "offset", "sep_style",
        "sep", "sep2", "stop_str", "stop_token_ids",
    }  # fmt: skip
    system = conv["system_template"].format(system_message="")
    prompt = f"{system}{conv['roles'][0]}hi{conv['sep']}{conv['roles'][1]}"
    native = await llama.http.post(
        "/v1/chat/completions",
        json={"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1},
    )
    counted = await post(llama, "/count_token", prompt=prompt)
    assert counted["count"] == native.json()["usage"]["prompt_tokens"]
    assert (await post(llama, "/model_details")) == {"context_length": CONTEXT}


async def test_greedy_text_is_the_same_by_both_protocols(llama: Worker) -> None:
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "你好"}]
    body = {"model": "tiny", "messages": messages, "max_tokens": 20, "temperature": 0}
    native = (await llama.http.post("/v1/chat/completions", json=body)).json()
    conv = (await post(llama, "/worker_get_conv_template"))["conv"]
    system = conv["system_template"].format(system_message="Be kind.")
    prompt = f"{system}{conv['roles'][0]}你好{conv['sep']}{conv['roles'][1]}"
    other = await post(
        llama, "/worker_generate", prompt=prompt, max_new_tokens=20, temperature=0, echo=False
    )
    assert other["text"] == native["choices"][0]["message"]["content"]
    assert other["usage"].items() <= native["usage"].items()


async def test_the_secret_is_taken_as_a_password_on_fastchats_paths_only(worker: Worker) -> None:
    secret = SECRET.get_secret_value()
    basic = base64.b64encode(f"any:{secret}".encode()).decode()
    async with httpx.AsyncClient(base_url=worker.url) as other:
        for offered in (f"Bearer {secret}", f"Basic {basic}"):
            headers = {"authorization": offered}
            assert (await other.post("/worker_get_status", headers=headers)).status_code == 200
            assert (await other.get("/v1/models", headers=headers)).status_code == 401
        for wrong in (
            "Bearer nonsense",
            "Basic ###",
            "Basic " + base64.b64encode(b"\xff").decode(),
        ):
            headers = {"authorization": wrong}
            assert (await other.post("/worker_get_status", headers=headers)).status_code == 401


class FakeFastChat:
    """FastChat's controller, as far as a worker sees it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.knows = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            body = json.loads(await read_body(scope, receive, 10_000))
            self.told.append((scope["path"], body))
            answer = None if scope["path"] == "/register_worker" else {"exist": self.knows}
            await send_json(send, answer)
        else:
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})


async def test_with_a_fastchat_controller_it_joins_and_its_routes_are_open() -> None:
    fastchat = FakeFastChat()
    async with live_server(fastchat) as url:
        async with local_worker(ECHO.model_copy(update={"fastchat_controller": url})) as worker:
            await until(lambda: fastchat.told)
            async with httpx.AsyncClient(base_url=worker.url) as stranger:
                assert (await stranger.post("/worker_get_status")).status_code == 200
                assert (await stranger.get("/v1/models")).status_code == 401
    assert fastchat.told == [
        (
            "/register_worker",
            {
                "worker_name": "http://127.0.0.1:1",
                "check_heart_beat": True,
                "worker_status": {"model_names": ["echo"], "speed": 1.0, "queue_length": 0},
                "multimodal": False,
            },
        )
    ]


async def test_a_controller_that_forgot_us_is_told_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.worker.local.fastchat_heart.BEAT_S", 0.01)
    fastchat = FakeFastChat()
    fastchat.knows = False
    status = WorkerStatus(model_names=("m",), speed=1, queue_length=3)
    async with live_server(fastchat) as url:
        heart = FastChatHeart(url, "http://me:1", lambda: status)
        async with heart.beating(asyncio.Event()):
            await until(lambda: len(fastchat.told) >= 3)
    assert [path for path, _ in fastchat.told[:3]] == [
        "/register_worker", "/receive_heart_beat", "/register_worker"
    ]  # fmt: skip
    assert fastchat.told[1][1] == {"worker_name": "http://me:1", "queue_length": 3}
