"""What a server is, and which models it has, is found out by asking it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.clients.servers import asking
from server.clients.servers.asking import Server
from server.clients.servers.found import Found, Kind
from server.core.errors import BadAnswer, ConnectFailed, CutOff, KeyRefused, OwnGateway
from server.wire.fleet import FLEET_HEADER, ModelFacts
from tests.fakes.servers import FakeServer
from tests.fakes.upstream import Script, Upstream, says, upstream, whole

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def asker(script: Script, key: str = "") -> AsyncIterator[tuple[Server, Upstream]]:
    async with upstream(script) as fake:
        http = HTTPClient()
        origin = Origin.parse(f"{fake.url}/v1")
        try:
            yield Server(http, origin, "ours", SecretStr(key) if key else None), fake
        finally:
            http.close()


async def found(fake: FakeServer, key: str = "") -> Found:
    async with asker(fake.script, key) as (server, _):
        return await server.ask()


@pytest.mark.parametrize(
    ("kind", "label", "length"),
    [
        ("vllm", "vllm 0.11.0", 4096),
        ("sglang", "sglang 0.5.4", 4096),
        ("ollama", "ollama 0.12.3", 8192),
        ("llama.cpp", "llama.cpp b8681-abc", 2048),
        ("tgi", "tgi 3.3.6", 2048),
        ("shortline", "shortline", 640),
        ("openai", "openai", None),
    ],
)
async def test_each_kind_is_known_by_its_own_endpoints_with_its_context(
    kind: Kind, label: str, length: int | None
) -> None:
    told = await found(FakeServer(kind))
    assert (told.label, told.models["m"].context_length) == (label, length)


async def test_each_model_of_an_ollama_tells_what_it_can_do_and_what_it_was_loaded_with() -> None:
    told = await found(FakeServer("ollama", ["a:1b", "b:1b", "embed:x"]))
    assert told.models == {
        "a:1b": ModelFacts(abilities=("chat", "completions"), context_length=8192),
        "b:1b": ModelFacts(abilities=("chat", "completions"), context_length=2048),
        "embed:x": ModelFacts(abilities=("embeddings",), context_length=2048),
    }


@pytest.mark.parametrize(
    ("routes", "abilities"),
    [
        (["/v1/chat/completions", "/v1/embeddings"], ()),
        (["/v1/models", "/v1/embeddings"], ("embeddings",)),
        (["/v1/models", "/v1/rerank"], ("rerank",)),
        (None, ()),
    ],
)
async def test_a_vllm_without_a_route_for_chats_makes_embeddings_or_ranks(
    routes: list[str] | None, abilities: tuple[str, ...]
) -> None:
    told = await found(FakeServer("vllm", routes=routes))
    assert told.models["m"].abilities == abilities


async def test_a_llama_cpp_that_sees_says_so() -> None:
    told = await found(FakeServer("llama.cpp"))
    assert told.models["m"].abilities == ("chat", "completions", "vision")


async def test_while_its_models_stay_only_its_list_is_asked_for_again() -> None:
    fake = FakeServer("ollama")
    async with asker(fake.script) as (server, _):
        first = await server.ask()
        fake.asked.clear()
        assert await server.ask(anew=False) == first
        assert fake.asked == ["GET /v1/models"]
        fake.models.append("n")
        assert "n" in (await server.ask(anew=False)).models
        assert "POST /api/show" in fake.asked
        assert "GET /props" not in fake.asked


async def test_its_key_and_which_fleet_asks_are_sent() -> None:
    fake = FakeServer("vllm", key="sk-1")
    async with asker(fake.script, "sk-1") as (server, seen):
        await server.ask()
        assert seen.received[0].header("authorization") == "Bearer sk-1"
        assert seen.received[0].header(FLEET_HEADER) == "ours"


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (whole(b"{}", "401 Unauthorized"), KeyRefused, "it wants a key"),
        (whole(b"{}", "404 Not Found"), BadAnswer, "no OpenAI-compatible server"),
        (whole(b"<html>"), BadAnswer, "no OpenAI-compatible server"),
        (whole(b'{"data": 7}'), BadAnswer, "no OpenAI-compatible server"),
        (whole(b"", "302 Found", "location: http://evil/"), BadAnswer, "redirects"),
        (whole(b"", "503 Service Unavailable"), CutOff, "503"),
        (whole(b'{"error": {"code": "own_gateway"}}', "409 Conflict"), OwnGateway, "circle"),
        (b"nonsense\r\n\r\n", BadAnswer, "."),
    ],
)
async def test_why_it_cannot_be_used_is_told(
    answer: bytes, error: type[Exception], words: str
) -> None:
    async with asker(says(answer)) as (server, _):
        with pytest.raises(error, match=words):
            await server.ask()


async def test_nobody_at_the_address_is_another_thing_than_somebody_else() -> None:
    async with asker(FakeServer("vllm").script) as (server, fake):
        fake.stop()
        with pytest.raises(ConnectFailed, match=r"http://127\.0\.0\.1:\d+/v1 cannot be reached"):
            await server.ask()


async def test_what_makes_no_sense_in_a_list_is_left_out() -> None:
    listed = b'{"data": [{"id": ""}, {"id": 7}, 8, {"id": "m", "max_model_len": -1}]}'
    async with asker(says(whole(listed))) as (server, _):
        assert (await server.ask()).models == {"m": ModelFacts()}


async def test_details_that_do_not_come_in_time_are_done_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "DETAILS_S", 0.05)
    fake = FakeServer("openai")

    async def stuck(received: object, writer: object) -> None:
        if b"/v1/models" in received.head:  # type: ignore[attr-defined]
            await fake.script(received, writer)  # type: ignore[arg-type]

    async with asker(stuck) as (server, _):
        assert (await server.ask()).label == "openai"
