from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from pydantic import BaseModel, ValidationError, model_validator

from server.core.errors import BadRequest
from server.core.settings import JoinedServer
from server.gateway.admin.keys import KEYS, USAGE
from server.gateway.admin.routes import ROUTES, RouteWish
from server.gateway.admin.servers import SERVERS
from server.gateway.app import METRICS, OPENAPI, RELAYED
from server.gateway.dialects.anthropic.messages import COUNT, MESSAGES
from server.gateway.dialects.anthropic.request import CountRequest, MessagesRequest
from server.gateway.dialects.conversations.conversations import CONVERSATIONS, MOST_AT_ONCE
from server.gateway.dialects.kept.metadata import read_new_metadata
from server.gateway.dialects.responses.items import read_input, read_items
from server.gateway.dialects.responses.responses import RESPONSES
from server.gateway.dialects.responses.wish import read_wish
from server.gateway.models import MODELS
from server.gateway.openapi.document import document, document_bytes
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from server.wire.openai import ChatRequest, CompletionRequest, EmbeddingRequest
from server.wire.rerank import RerankRequest
from tests.gateway.conftest import gateway, view

HELLO = [{"role": "user", "content": "hello"}]
CHAT = {"model": "m", "messages": HELLO}
TEXT = {"model": "m", "prompt": "hello"}
INPUT = {"model": "m", "input": "hello"}
ASKED = {"model": "m", "query": "hello", "documents": ["hello", {"text": "bye", "id": 1}]}
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AA"}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
TOOL = {"type": "function", "name": "f"}


class ResponseWish(BaseModel):
    """What several parts read in turn."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, body: Any) -> Any:
        try:
            wish, _ = read_wish(body)
            if wish.conversation is None or body.get("input") is not None:
                read_input(body.get("input"), "0")
        except BadRequest as error:
            raise ValueError(error.message) from None
        return {}


class NewMetadata(BaseModel):
    @model_validator(mode="before")
    @classmethod
    def _read(cls, body: Any) -> Any:
        try:
            read_new_metadata(body)
        except BadRequest as error:
            raise ValueError(error.message) from None
        return {}


class NewItems(BaseModel):
    @model_validator(mode="before")
    @classmethod
    def _read(cls, body: Any) -> Any:
        try:
            read_items(body.get("items"), "0", "items", MOST_AT_ONCE)
        except BadRequest as error:
            raise ValueError(error.message) from None
        return {}


AGREED: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (ChatRequest, CHAT),
    (ChatRequest, {**CHAT, "unknown": {"a": [1]}}),
    (ChatRequest, {**CHAT, "stop": "x"}),
    (ChatRequest, {**CHAT, "stop": ["x", "y"]}),
    (ChatRequest, {**CHAT, "stop": ""}),
    (ChatRequest, {**CHAT, "stop": ["x"] * 17}),
    (ChatRequest, {**CHAT, "temperature": 2.5}),
    (ChatRequest, {**CHAT, "n": 0}),
    (ChatRequest, {**CHAT, "seed": 2**64}),
    (ChatRequest, {**CHAT, "logit_bias": {"12": 3}}),
    (ChatRequest, {**CHAT, "logit_bias": {"x": 3}}),
    (ChatRequest, {"model": "m"}),
    (ChatRequest, {"model": "m", "messages": []}),
    (ChatRequest, {"model": "m", "messages": [{"role": "robot", "content": "x"}]}),
    (ChatRequest, {"model": "m", "messages": [{"role": "user", "content": None}]}),
    (ChatRequest, {"model": "m", "messages": [{"role": "user"}]}),
    (ChatRequest, {"model": "m", "messages": [{"role": "assistant", "content": None}]}),
    (ChatRequest, {"model": "m", "messages": [{"role": "user", "content": 5}]}),
    (
        ChatRequest,
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
    ),
    (CompletionRequest, TEXT),
    (CompletionRequest, TEXT | {"prompt": ["a", "b"]}),
    (CompletionRequest, TEXT | {"prompt": [1, 2]}),
    (CompletionRequest, TEXT | {"prompt": [[1], "b"]}),
    (CompletionRequest, TEXT | {"prompt": []}),
    (CompletionRequest, TEXT | {"prompt": [-1]}),
    (EmbeddingRequest, INPUT),
    (EmbeddingRequest, INPUT | {"input": [1, 2]}),
    (EmbeddingRequest, INPUT | {"input": ""}),
    (RerankRequest, ASKED),
    (RerankRequest, ASKED | {"top_n": 0}),
    (RerankRequest, ASKED | {"top_n": None, "return_documents": True, "max_chunks_per_doc": 3}),
    (RerankRequest, ASKED | {"query": " \n"}),
    (RerankRequest, ASKED | {"documents": []}),
    (RerankRequest, ASKED | {"documents": ["x"] * 10_000}),
    (RerankRequest, ASKED | {"documents": [{"title": "x"}]}),
    (RerankRequest, ASKED | {"documents": "x"}),
    (RerankRequest, ASKED | {"rank_fields": ["title"]}),
    (MessagesRequest, CHAT | {"max_tokens": 5}),
    (MessagesRequest, CHAT),
    (MessagesRequest, CHAT | {"max_tokens": 5, "system": "s", "temperature": 1}),
    (MessagesRequest, CHAT | {"max_tokens": 5, "temperature": 2}),
    (MessagesRequest, CHAT | {"max_tokens": 5, "system": [{"type": "text", "text": "s"}]}),
    (MessagesRequest, CHAT | {"max_tokens": 5, "messages": [{"role": "tool", "content": "x"}]}),
    (MessagesRequest, CHAT | {"max_tokens": 5, "tools": [{"name": "f", "input_schema": {}}]}),
    (MessagesRequest, CHAT | {"max_tokens": 5, "tools": [{"name": "f"}]}),
    (CountRequest, CHAT),
    (CountRequest, CHAT | {"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
    (ResponseWish, INPUT),
    (ResponseWish, {"model": "m"}),
    (ResponseWish, INPUT | {"input": []}),
    (ResponseWish, INPUT | {"input": HELLO}),
    (ResponseWish, INPUT | {"input": [{"type": "message", "role": "user"}]}),
    (ResponseWish, INPUT | {"input": [{"type": "web_search_call", "id": "x"}]}),
    (ResponseWish, INPUT | {"input": [{"type": "item_reference", "id": "x"}]}),
    (ResponseWish, INPUT | {"input": [{"role": "user", "content": [IMAGE]}]}),
    (ResponseWish, INPUT | {"input": [{"role": "assistant", "content": [IMAGE]}]}),
    (ResponseWish, INPUT | {"input": [CALL | {"status": "completed"}]}),
    (ResponseWish, INPUT | {"input": [CALL | {"call_id": ""}]}),
    (ResponseWish, INPUT | {"include": ["message.output_text.logprobs"]}),
    (ResponseWish, INPUT | {"include": ["everything"]}),
    (ResponseWish, INPUT | {"tools": [{"type": "web_search"}]}),
    (ResponseWish, INPUT | {"tools": [TOOL], "tool_choice": "required"}),
    (ResponseWish, INPUT | {"tools": [TOOL], "tool_choice": {"type": "function", "name": "f"}}),
    (ResponseWish, INPUT | {"tool_choice": "maybe"}),
    (ResponseWish, INPUT | {"conversation": "c"}),
    (ResponseWish, INPUT | {"conversation": {"id": "c"}, "previous_response_id": None}),
    (ResponseWish, INPUT | {"conversation": {"name": "c"}}),
    (ResponseWish, INPUT | {"conversation": ""}),
    (ResponseWish, INPUT | {"conversation": "c", "previous_response_id": "r"}),
    (ResponseWish, {"model": "m", "conversation": "c"}),
    (ResponseWish, {"model": "m", "conversation": None}),
    (NewMetadata, {"metadata": {"a": "b"}}),
    (NewMetadata, {"metadata": None}),
    (NewMetadata, {"metadata": {"a": 1}}),
    (NewMetadata, {"metadata": {"a" * 65: "b"}}),
    (NewMetadata, {"metadata": {str(number): "" for number in range(17)}}),
    (NewMetadata, {}),
    (NewItems, {"items": HELLO}),
    (NewItems, {"items": HELLO * 20}),
    (NewItems, {"items": HELLO * 21}),
    (NewItems, {"items": []}),
    (NewItems, {"items": [{"role": "user"}]}),
    (NewItems, {}),
    (NewKey, {"name": "carol"}),
    (NewKey, {"name": ""}),
    (NewKey, {"name": "x" * 101}),
    (NewKey, {"name": "carol", "unknown": 1}),
    (NewKey, {"name": "carol", "models": []}),
    (NewKey, {"name": "carol", "lane": "fast"}),
    (RouteWish, {"to": "m"}),
    (RouteWish, {"to": ["a", {"model": "b", "weight": 2}], "fallback": ["c"]}),
    (RouteWish, {"to": []}),
    (RouteWish, {"to": [{"model": "b", "weight": 0}]}),
    (RouteWish, {"to": "m", "name": "r"}),
    (RouteWish, {}),
    (JoinedServer, {"url": "http://gpu1:8000"}),
    (JoinedServer, {"url": "http://gpu1:8000", "name": "A b"}),
    (JoinedServer, {"url": "http://gpu1:8000", "abilities": ["vision"]}),
    (JoinedServer, {"name": "a"}),
]


@pytest.mark.parametrize(("model", "body"), AGREED)
def test_the_document_allows_what_the_model_reads(
    model: type[BaseModel], body: dict[str, Any]
) -> None:
    components = document()["components"]
    schema = {"$ref": f"#/components/schemas/{model.__name__}", "components": components}
    allowed = jsonschema_rs.is_valid(schema, body)
    try:
        model.model_validate(body)
    except ValidationError:
        assert not allowed
    else:
        assert allowed


def test_every_reference_leads_somewhere() -> None:
    named = set(re.findall(r'"#/components/schemas/(\w+)"', document_bytes().decode()))
    known = set(document()["components"]["schemas"])
    assert named <= known
    assert known - named == set()


def test_every_path_of_the_gateway_is_described() -> None:
    paths = set(document()["paths"])
    assert {
        *RELAYED,
        MESSAGES,
        COUNT,
        RESPONSES,
        CONVERSATIONS,
        MODELS,
        METRICS,
        OPENAPI,
        KEYS,
        USAGE,
        ROUTES,
        SERVERS,
    } <= paths


async def test_every_path_of_the_document_is_served(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    ledger = Ledger.open(file)
    _, text = ledger.create_key(NewKey(name="boss", admin=True), now=1.0)
    ledger.close()
    async with gateway(
        view("http://127.0.0.1:9"), ledger_file=str(file), joined_file=str(tmp_path / "j")
    ) as served:
        served.client.headers["authorization"] = f"Bearer {text}"
        for path, methods in document()["paths"].items():
            for method in methods:
                answer = await served.client.request(method, path.replace("{model}", "m"), json={})
                assert answer.status_code not in (401, 403, 405), (method, path)
                assert "nothing at this path" not in answer.text, (method, path)
            if path not in ("/livez", "/readyz"):  # they answer whatever is asked
                assert (await served.client.patch(path)).status_code == 405, path
        told = await served.client.get(OPENAPI)
        assert told.headers["content-type"] == "application/json"
        assert told.json() == document() == json.loads(document_bytes())
        stranger = await served.client.get(OPENAPI, headers={"authorization": "Bearer x"})
        assert stranger.status_code == 401


def test_a_gateway_that_is_not_asked_for_it_does_not_load_it() -> None:
    says = "import sys, server.gateway.app; print('server.gateway.openapi.document' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
