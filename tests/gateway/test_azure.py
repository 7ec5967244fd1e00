"""Azure's client of OpenAI's API, at its own paths and with its own header for a key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai import AsyncAzureOpenAI
from pydantic import SecretStr

from server.core.settings import GatewaySettings
from tests.fakes.worker import local_worker
from tests.gateway.conftest import SECRET, Served, gateway, view

KEY = "sk-of-this-test"
HELLO: list[Any] = [{"role": "user", "content": "hello"}]


@asynccontextmanager
async def azure(key: str = KEY, **how: Any) -> AsyncIterator[tuple[AsyncAzureOpenAI, Served]]:
    settings = GatewaySettings(api_keys=(SecretStr(KEY),))
    async with (
        local_worker(secret=SECRET) as worker,
        gateway(view(worker.url, models=("echo",)), settings=settings) as served,
        AsyncAzureOpenAI(
            azure_endpoint=served.url, api_key=key, api_version="2024-10-21", max_retries=0, **how
        ) as client,
    ):
        yield client, served


async def test_the_model_may_stand_in_the_request() -> None:
    async with azure() as (client, _):
        said = await client.chat.completions.create(model="echo", messages=HELLO)
        assert said.choices[0].message.content == "hello"
        told = await client.completions.create(model="echo", prompt="hello", max_tokens=9)
        assert told.choices[0].text
        vectors = await client.embeddings.create(model="echo", input="hello")
        assert len(vectors.data) == 1
        assert [model.id async for model in client.models.list()] == ["echo"]


async def test_a_deployment_goes_before_the_model_of_the_body() -> None:
    async with azure(azure_deployment="echo") as (client, served):
        stream = await client.chat.completions.create(model="gpt-4", messages=HELLO, stream=True)
        told = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
        assert "".join(told) == "hello"
        path = "/openai/deployments/echo/chat/completions?api-version=2024-10-21"
        answer = await served.client.post(path, json={"messages": HELLO}, headers={"api-key": KEY})
        assert answer.json()["model"] == "echo"


async def test_what_is_not_there_is_not_found_and_a_wrong_key_is_refused() -> None:
    async with azure() as (client, served):
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="gpt-9", messages=HELLO)
        for path in ("/openai/", "/openai/deployments/echo", "/openai/deployments/echo/images"):
            answer = await served.client.post(path, json={}, headers={"api-key": KEY})
            assert answer.status_code == 404
    async with azure("sk-another") as (client, _):
        with pytest.raises(openai.AuthenticationError):
            await client.chat.completions.create(model="echo", messages=HELLO)
