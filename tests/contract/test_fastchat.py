"""Both sides of FastChat's protocol, against the real fschat 0.2.36 in processes of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from openai import APIError, APIStatusError, AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from server.clients.http import HTTPClient
from server.core.settings import GatewaySettings, ModelSettings
from server.gateway.fastchat.upstream import FastChatUpstream
from server.wire.fleet import WorkerRef
from server.wire.process import GatewayProcess, ModelWorkerProcess
from tests.fakes.controller import SECRET, Controller, controller
from tests.fakes.fastchat_processes import Processes, processes
from tests.fakes.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello 你好 😀"}]


@pytest.fixture
async def started() -> AsyncIterator[Processes]:
    async with processes() as running:
        yield running


@pytest.fixture
async def fleet() -> AsyncIterator[Controller]:
    async with controller() as running:
        yield running


def with_secret(url: str) -> str:
    """A controller's address as FastChat's workers are given it."""
    return url.replace("http://", f"http://fastchat:{SECRET.get_secret_value()}@")


async def test_a_fastchat_worker_joins_our_controller_and_serves_openai_requests(
    started: Processes, fleet: Controller
) -> None:
    address = await started.fastchat_worker(with_secret(fleet.url))
    [worker] = fleet.registry.view().workers
    assert (worker.address, worker.protocol, worker.models) == (address, "fastchat", ("echo",))
    pool = HTTPClient()
    fields = {"model": "echo", "messages": HELLO, "stream": True}
    async with FastChatUpstream(pool).answer(address, "chat", fields) as answer:
        body = b""
        while chunk := await answer.chunk():
            body += chunk
    pool.close()
    *events, done = body.removesuffix(b"\n\n").split(b"\n\n")
    assert done == b"data: [DONE]"
    choices = [json.loads(event.removeprefix(b"data: "))["choices"][0] for event in events]
    assert choices[0]["delta"] == {"role": "assistant", "content": ""}
    assert "".join(c["delta"].get("content", "") for c in choices) == "Hello 你好 😀"
    assert [c["finish_reason"] for c in choices][-2:] == [None, "stop"]


async def test_a_fastchat_worker_without_the_secret_does_not_join(
    started: Processes, fleet: Controller
) -> None:
    with pytest.raises(AssertionError, match="AssertionError"):  # of FastChat: status is not 200
        await started.fastchat_worker(fleet.url)
    assert fleet.registry.view().workers == ()


async def test_a_fastchat_worker_serves_through_our_gateway(
    started: Processes, fleet: Controller
) -> None:
    await started.fastchat_worker(with_secret(fleet.url))
    base_url = await our_gateway(started, fleet)
    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        assert [m.id async for m in client.models.list()] == ["echo"]
        await chats(client, "echo")
        stream = await client.chat.completions.create(
            model="echo", messages=HELLO, stream=True, stream_options={"include_usage": True}, n=2
        )
        chunks = [chunk async for chunk in stream]
        for index in (0, 1):
            parts = [c.choices[0] for c in chunks if c.choices and c.choices[0].index == index]
            assert "".join(p.delta.content or "" for p in parts) == "Hello 你好 😀"
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens == 2 * len("Hello 你好 😀")
        completion = await client.completions.create(
            model="echo", prompt=["one", "two three"], max_tokens=5, stop=[" "]
        )
        assert [c.text for c in completion.choices] == ["one", "two"]
        vectors = await client.embeddings.create(model="echo", input=["a", "bb", "ccc", "d", "e"])
        assert [v.embedding for v in vectors.data] == [[float(n), 0.5] for n in (1, 2, 3, 1, 1)]


async def test_a_fastchat_workers_errors_reach_the_client_typed(
    started: Processes, fleet: Controller
) -> None:
    await started.fastchat_worker(with_secret(fleet.url))
    base_url = await our_gateway(started, fleet)
    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        for text, status, code in (
            ("x" * 5000, 400, "context_length_exceeded"),
            ("please fail", 502, "out_of_memory"),
        ):
            for stream in (True, False):
                with pytest.raises(APIStatusError) as caught:
                    await client.chat.completions.create(
                        model="echo", messages=[{"role": "user", "content": text}], stream=stream
                    )
                assert (caught.value.status_code, caught.value.code) == (status, code)
        stream_of_one = await client.chat.completions.create(
            model="echo", messages=[{"role": "user", "content": "then die"}], stream=True
        )
        with pytest.raises(APIError) as lost:
            _ = [chunk async for chunk in stream_of_one]
        assert lost.value.code == "worker_lost"


async def test_a_fastchat_worker_that_we_forgot_registers_anew_at_its_next_beat(
    fleet: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTCHAT_WORKER_HEART_BEAT_INTERVAL", "1")
    async with processes() as started:
        address = await started.fastchat_worker(with_secret(fleet.url))
        first = fleet.registry.view().workers[0].generation
        assert fleet.registry.remove(WorkerRef(address=address), "worker process ended")
        await until(lambda: fleet.registry.view().workers, limit_s=10)
        [worker] = fleet.registry.view().workers
        assert worker.address == address
        assert worker.generation != first


async def test_fastchats_api_server_is_served_through_our_controller(
    started: Processes, fleet: Controller
) -> None:
    await started.fastchat_worker(with_secret(fleet.url))
    base_url = await started.fastchat_api(fleet.url)
    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        assert [m.id async for m in client.models.list()] == ["echo"]
        await chats(client, "echo")


async def test_our_controller_serves_as_a_fastchat_worker_itself(
    started: Processes, fleet: Controller
) -> None:
    address = await started.fastchat_worker(with_secret(fleet.url))
    params = {"model": "echo", "prompt": "Hi 你好", "stop": [], "max_new_tokens": 99}
    async with httpx.AsyncClient(trust_env=False) as http:
        answers = [
            await http.post(f"{url}/worker_generate_stream", json=params)
            for url in (fleet.url, address)
        ]
        status = (await http.post(f"{fleet.url}/worker_get_status")).json()
    assert answers[0].content == answers[1].content
    assert json.loads(answers[0].content.split(b"\0")[-2])["text"] == "Hi 你好"
    assert status == {"model_names": ["echo"], "speed": 1, "queue_length": 1}


async def test_fastchats_controller_and_api_server_are_served_by_our_worker(
    started: Processes, fleet: Controller
) -> None:
    theirs = await started.fastchat_controller()
    address = await our_worker(started, fleet, fastchat_controller=theirs)
    await until(lambda: fleet.registry.view().workers, limit_s=10)
    async with httpx.AsyncClient(trust_env=False, base_url=theirs) as http:
        assert (await http.post("/list_models")).json() == {"models": ["echo"]}
        given = await http.post("/get_worker_address", json={"model": "echo"})
        assert given.json() == {"address": address}
    await served(await started.fastchat_api(theirs))


async def test_fastchats_api_server_is_served_by_our_worker_through_our_controller(
    started: Processes, fleet: Controller
) -> None:
    await our_worker(started, fleet)
    await until(lambda: fleet.registry.view().workers, limit_s=10)
    await served(await started.fastchat_api(fleet.url))


async def served(base_url: str) -> None:
    """All that FastChat's API server asks of a worker."""
    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        assert [m.id async for m in client.models.list()] == ["echo"]
        await chats(client, "echo")
        completion = await client.completions.create(model="echo", prompt="one two three")
        assert completion.choices[0].text.strip() == "one two three"
        vectors = await client.embeddings.create(
            model="echo", input=["a", "b"], encoding_format="float"
        )
        assert len(vectors.data) == 2


async def our_worker(
    started: Processes, fleet: Controller, fastchat_controller: str | None = None
) -> str:
    model = ModelSettings.model_validate(
        {"name": "echo", "path": "echo", "engine": "echo"}
        | ({"fastchat_controller": fastchat_controller} if fastchat_controller else {})
    )
    settings = ModelWorkerProcess(
        name="model_worker echo", secret=SECRET, controller_url=fleet.url, model=model
    )
    return await started.ours("server.worker.local", settings)


async def our_gateway(started: Processes, fleet: Controller) -> str:
    """The base URL for OpenAI's client, once the gateway knows the fleet."""
    settings = GatewayProcess(
        name="openai_api",
        secret=SECRET,
        controller_url=fleet.url,
        gateway=GatewaySettings(),
    )
    url = await started.ours("server.gateway", settings)

    async def ready() -> bool:
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(f"{url}/readyz")).status_code == 200

    await started.until("openai_api", ready)
    return f"{url}/v1"


async def chats(client: AsyncOpenAI, model: str) -> None:
    """An answer, whole and streamed. Our echo also repeats the line end of FastChat's prompt."""
    whole = await client.chat.completions.create(model=model, messages=HELLO)
    assert (whole.choices[0].message.content or "").strip() == "Hello 你好 😀"
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    stream = await client.chat.completions.create(model=model, messages=HELLO, stream=True)
    parts = [chunk.choices[0] async for chunk in stream]
    assert "".join(part.delta.content or "" for part in parts).strip() == "Hello 你好 😀"
    assert parts[-1].finish_reason == "stop"
