"""Everything that goes wrong at `/v1`, as OpenAI's own client and its types have it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import openai
import pytest
from openai import APIStatusError, AsyncOpenAI, BadRequestError, NotFoundError
from openai._models import FinalRequestOptions
from openai.types import ErrorObject, Model
from pydantic import SecretStr

from server.core.settings import GatewaySettings
from server.core.settings.route import Member, RouteSettings
from tests.fakes.upstream import STREAM_HEAD, Received, Script, Writer, chunk, upstream, whole
from tests.fakes.worker import local_worker
from tests.gateway.conftest import SECRET, view
from tests.gateway.dialects.responses.conftest import responding
from tests.gateway.dialects.responses.models import event
from tests.worker.online.test_relay import worker_of

KEY = "sk-of-this-test"
ECHO: dict[str, Any] = {"model": "echo"}
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}
CHAT, TEXT, VECTORS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
RESPONSES = "/v1/responses"
WRONG: list[tuple[str, str, Any, type[APIStatusError], str | None, str | None]] = [
    ("GET", "/v1/nothing", None, NotFoundError, None, "not_found"),
    ("PUT", CHAT, None, APIStatusError, None, "method_not_allowed"),
    ("GET", f"{CHAT}/chatcmpl-1", None, NotFoundError, "completion_id", "not_found"),
    ("POST", CHAT, {"model": "echo", "store": 1}, BadRequestError, "store", "invalid_type"),
    ("GET", "/v1/conversations/c", None, NotFoundError, "conversation_id", "not_found"),
    ("POST", "/v1/conversations", {"items": 1}, BadRequestError, "items", "invalid_value"),
    ("GET", "/v1/models/gpt-9", None, NotFoundError, "model", "model_not_found"),
    ("POST", CHAT, {}, BadRequestError, "model", "missing_required_parameter"),
    ("POST", CHAT, {"model": 5}, BadRequestError, "model", "invalid_type"),
    ("POST", TEXT, {"model": ""}, BadRequestError, "model", "empty_string"),
    ("POST", VECTORS, {"model": "m" * 999}, BadRequestError, "model", "string_above_max_length"),
    ("POST", CHAT, ECHO | HELLO | {"stream": "true"}, BadRequestError, "stream", "invalid_type"),
    ("POST", CHAT, ECHO | HELLO | {"max_tokens": 1e30},
     BadRequestError, "max_tokens", "integer_above_max_value"),
    ("POST", CHAT, {"model": "gpt-9"}, NotFoundError, "model", "model_not_found"),
    ("POST", CHAT, ECHO, BadRequestError, "messages", "missing_required_parameter"),
    ("POST", CHAT, ECHO | {"messages": [7]}, BadRequestError, "messages[0]", "invalid_type"),
    ("POST", CHAT, ECHO | HELLO | {"stop": 7}, BadRequestError, "stop", "invalid_type"),
    ("POST", CHAT, ECHO | HELLO | {"n": 0, "stream": True},
     BadRequestError, "n", "integer_below_min_value"),
    ("POST", TEXT, ECHO | {"prompt": []}, BadRequestError, "prompt", "empty_array"),
    ("POST", VECTORS, ECHO | {"input": []}, BadRequestError, "input", "empty_array"),
    ("POST", VECTORS, ECHO | {"input": "x", "dimensions": 99},
     BadRequestError, "dimensions", "integer_above_max_value"),
    ("GET", f"{RESPONSES}/resp_9", None, NotFoundError, "response_id", "not_found"),
    ("POST", RESPONSES, ECHO, BadRequestError, "input", "missing_required_parameter"),
    ("POST", RESPONSES, {"model": "gpt-9", "input": "x"},
     NotFoundError, "model", "model_not_found"),
    ("POST", RESPONSES, ECHO | {"input": "x", "top_p": 2, "stream": True},
     BadRequestError, "top_p", "decimal_above_max_value"),
]  # fmt: skip
"""What is asked, what the client raises, and the error's `param` and `code`."""


@asynccontextmanager
async def clients(key: str = KEY) -> AsyncIterator[tuple[AsyncOpenAI, httpx.AsyncClient]]:
    settings = GatewaySettings(
        api_keys=(SecretStr(KEY),),
        routes=(RouteSettings(name="gpt-4o", to=(Member(model="echo"),)),),
    )
    async with (
        local_worker(secret=SECRET) as worker,
        responding(view(worker.url, models=("echo",)), settings=settings) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=0) as client,
    ):
        served.client.headers["authorization"] = f"Bearer {key}"
        yield client, served.client


def error_in(answer: httpx.Response) -> ErrorObject:
    """What its body tells, once it was read strictly."""
    told = answer.json()
    assert told.keys() == {"error"}
    assert told["error"].keys() == {"message", "type", "param", "code", "request_id"}
    assert told["error"]["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"
    return ErrorObject.model_validate_json(json.dumps(told["error"]), strict=True)


@pytest.mark.parametrize(("method", "path", "body", "kind", "param", "code"), WRONG)
async def test_an_error_is_what_openais_client_knows(
    method: str,
    path: str,
    body: Any,
    kind: type[APIStatusError],
    param: str | None,
    code: str | None,
) -> None:
    async with clients() as (client, plain):
        error = error_in(await plain.request(method, path, json=body))
        asked = FinalRequestOptions(
            method=method.lower(), url=path.removeprefix("/v1"), json_data=body
        )
        with pytest.raises(kind) as raised:
            await client.request(object, asked)
    found = raised.value
    assert error.message in found.message
    assert found.request_id
    assert (found.type, found.param, found.code) == (error.type, error.param, error.code)
    assert found.type == "invalid_request_error"
    assert (found.param, found.code) == (param, code)


async def test_a_wrong_key_is_no_key() -> None:
    async with clients("sk-another") as (client, plain):
        error = error_in(await plain.post(CHAT, json=ECHO | HELLO))
        assert error.code == "invalid_api_key"
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()


async def test_what_is_no_json_is_told_plainly() -> None:
    async with clients() as (_, plain):
        for path in (CHAT, TEXT, VECTORS, RESPONSES):
            answer = await plain.post(path, content=b'{"model": ')
            assert answer.status_code == 400
            assert error_in(answer).type == "invalid_request_error"


async def test_a_list_of_models_is_read_strictly() -> None:
    async with clients() as (client, plain):
        told = (await plain.get("/v1/models")).json()
        assert told.keys() == {"object", "data"}
        for model in told["data"]:
            Model.model_validate(model, strict=True)
            assert (await plain.get(f"/v1/models/{model['id']}")).json() == model
        assert [model.id async for model in client.models.list()] == ["echo", "gpt-4o"]


@asynccontextmanager
async def provider(script: Script) -> AsyncIterator[AsyncOpenAI]:
    async with (
        upstream(script) as fake,
        worker_of(fake) as worker,
        responding(view(str(worker.base_url), models=("ours",), kind="online_worker")) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as client,
    ):
        yield client


async def test_a_stream_that_breaks_off_raises_at_the_client() -> None:
    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(event(content="Hel")))
        await writer.drain()
        writer.close()

    async with provider(script) as client:
        stream = await client.chat.completions.create(
            model="ours", messages=[{"role": "user", "content": "hello"}], stream=True
        )
        told = []
        with pytest.raises(openai.APIError) as raised:
            async for piece in stream:
                told.append(piece.choices[0].delta.content)
    assert told == ["Hel"]
    ErrorObject.model_validate(raised.value.body, strict=True)
    assert raised.value.code == "provider_lost"


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        ("400 Bad Request", BadRequestError, "c"),
        ("404 Not Found", NotFoundError, "c"),
        ("422 Unprocessable", openai.UnprocessableEntityError, "c"),
        ("429 Too Many Requests", openai.RateLimitError, "provider_rate_limit"),
        ("500 Internal Server Error", openai.InternalServerError, "upstream_failed"),
    ],
)
async def test_a_providers_error_is_raised_as_what_it_is(
    status: str, kind: type[APIStatusError], code: str
) -> None:
    told = json.dumps({"error": {"message": "no", "type": "t", "param": "p", "code": "c"}}).encode()

    async def script(_: Received, writer: Writer) -> None:
        writer.write(whole(told, status))

    async with provider(script) as client:
        with pytest.raises(kind) as raised:
            await client.chat.completions.create(
                model="ours", messages=[{"role": "user", "content": "hello"}]
            )
    ErrorObject.model_validate(raised.value.body, strict=True)
    assert raised.value.code == code
