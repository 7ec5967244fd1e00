"""Tokens are counted by the servers that can, each in its own words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from server.clients.http import HTTPClient
from server.clients.servers.found import Kind
from server.core.provider_settings import ProviderSettings
from server.web.drain import Drain
from server.web.edge import Edge
from server.worker.online.app import origin_of
from server.worker.online.relay import ProviderRelay
from server.worker.online.speaker import OnlineWorker
from server.worker.online.tokens import Tokens
from server.worker.slots import Slots
from tests.fakes.live_server import live_server
from tests.fakes.servers import FakeServer
from tests.fakes.upstream import Script, says, upstream, whole

pytestmark = pytest.mark.anyio

CHAT = {"model": "m", "messages": [{"role": "user", "content": "abc"}]}
TEXT = {"model": "m", "prompt": "abc"}


@asynccontextmanager
async def counting(kind: Kind, script: Script | None = None) -> AsyncIterator[httpx.AsyncClient]:
    async with upstream(script or FakeServer(kind).script) as fake:
        settings = ProviderSettings(name="gpu", base_url=f"{fake.url}/v1", server=True)
        http, drain, online = HTTPClient(), Drain(), OnlineWorker()
        origin = origin_of(settings)
        tokens = Tokens(settings, origin, None, http)
        tokens.kind, tokens.models = kind, {"m": 2048}
        relay = ProviderRelay(settings, origin, None, {"m": "m"}, http, Slots(1, 0), drain)
        online.begin(relay, tokens)
        async with (
            live_server(Edge(online, drain)) as base,
            httpx.AsyncClient(base_url=base, trust_env=False) as client,
        ):
            yield client
        http.close()


@pytest.mark.parametrize(
    ("kind", "asked", "ids"),
    [
        ("vllm", TEXT, [7, 8]),
        ("sglang", CHAT, [7, 8]),
        ("shortline", CHAT, [7, 8]),
        ("llama.cpp", TEXT, [0, 1, 2]),
        ("llama.cpp", CHAT, [0, 1, 2, 3, 4, 5]),
        ("tgi", TEXT, [5]),
        ("tgi", CHAT, [5]),
    ],
)
async def test_a_text_and_a_chat_are_counted_by_the_server(
    kind: Kind, asked: dict[str, Any], ids: list[int]
) -> None:
    async with counting(kind) as client:
        told = (await client.post("/tokenize", json=asked)).json()
        assert (told["count"], told["tokens"]) == (len(ids), ids)
        assert told["max_model_len"] in (2048, 4096)


@pytest.mark.parametrize(("kind", "text"), [("vllm", "two words"), ("llama.cpp", "ab")])
async def test_tokens_become_text_again(kind: Kind, text: str) -> None:
    async with counting(kind) as client:
        asked = {"model": "m", "tokens": [97, 98]}
        assert (await client.post("/detokenize", json=asked)).json() == {"prompt": text}


@pytest.mark.parametrize(
    ("kind", "path", "asked", "status", "param"),
    [
        ("ollama", "/tokenize", TEXT, 404, "model"),
        ("openai", "/tokenize", TEXT, 404, "model"),
        ("tgi", "/detokenize", {"model": "m", "tokens": [1]}, 404, "model"),
        ("vllm", "/tokenize", TEXT | {"model": "n"}, 404, "model"),
        ("llama.cpp", "/tokenize", {"model": "m"}, 400, "prompt"),
        ("llama.cpp", "/tokenize", {"model": "m", "messages": 7}, 400, "messages"),
        ("llama.cpp", "/detokenize", {"model": "m", "tokens": ["a"]}, 400, "tokens"),
    ],
)
async def test_what_cannot_be_counted_is_refused(
    kind: Kind, path: str, asked: dict[str, Any], status: int, param: str
) -> None:
    async with counting(kind) as client:
        answer = await client.post(path, json=asked)
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b'{"tokens": 7}', b'{"tokens": ["a"]}'])
async def test_nonsense_is_the_servers_fault(answer: bytes) -> None:
    async with counting("llama.cpp", says(whole(answer))) as client:
        told = await client.post("/tokenize", json=TEXT)
        assert (told.status_code, told.json()["error"]["code"]) == (502, "upstream_failed")
