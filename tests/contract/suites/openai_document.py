"""Holds answers, events and errors of `/v1` against the document that OpenAI publishes of its API.

    python -m tests.contract.suites.openai_document OPENAPI.JSON

OPENAPI.JSON: from github.com/openai/openai-openapi; 3 MB, so it is not kept here. Ends with 1 if
something does not fit. The document is written by hand in places and forgets a null here and
there; those that its own examples have are let through.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.contract.suites.fleet import fleet

Json = dict[str, Any]
MODELS = ("echo", "mini", "able", "ours")
PARAMETERS = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
FUNCTION = {"name": "f", "parameters": PARAMETERS}
TOOLS = {"tools": [{"type": "function", "function": FUNCTION}]}
RESPONSE_TOOLS = {"tools": [{"type": "function", "strict": False, **FUNCTION}]}
ONE_CALL = {"tool_choice": "required", "parallel_tool_calls": False}
JSON = {"type": "json_object"}
CHAT: Json = {"messages": [{"role": "user", "content": "one two 3"}]}
CHATS: tuple[Json, ...] = (
    CHAT,
    CHAT | {"n": 2, "max_tokens": 3, "logprobs": True, "top_logprobs": 2},
    CHAT | {"response_format": JSON, "max_tokens": 30},
    CHAT | TOOLS,
    CHAT | TOOLS | ONE_CALL,
    CHAT | {"functions": [FUNCTION], "function_call": {"name": "f"}},
    {"messages": []},
)
ANSWERS: tuple[Json, ...] = (
    {"input": "one two 3"},
    {"input": "one two 3", "background": True},
    {"input": "one two 3", "text": {"format": JSON}, "max_output_tokens": 30},
    {"input": "one", "include": ["message.output_text.logprobs"], "top_logprobs": 2},
    {"input": "one two 3"} | RESPONSE_TOOLS,
    {"input": "one two 3"} | RESPONSE_TOOLS | ONE_CALL,
    {"input": 7},
)
TEXTS: tuple[Json, ...] = (
    {"prompt": "one two", "max_tokens": 5},
    {"prompt": ["one", "two"], "n": 2, "max_tokens": 3, "logprobs": 2},
    {"prompt": "one two", "echo": True, "max_tokens": 3},
    {"prompt": []},
)
INPUTS: tuple[Json, ...] = ({"input": ["a", "b"]}, {"input": []})
PATHS = (
    ("/chat/completions", MODELS, CHATS, "CreateChatCompletionResponse",
     "CreateChatCompletionStreamResponse"),
    ("/responses", MODELS, ANSWERS, "Response", "ResponseStreamEvent"),
    ("/completions", ("echo", "mini"), TEXTS, "CreateCompletionResponse",
     "CreateCompletionResponse"),
    ("/embeddings", ("echo", "minilm", "ours"), INPUTS, "CreateEmbeddingResponse", None),
)  # fmt: skip
"""What is asked of which models, and what comes whole and in pieces."""
NULL_TOO = {
    ("ModelResponseProperties", "user"),
    ("Response", "usage"),
    ("CreateCompletionResponse", "finish_reason"),
}
"""The document's own examples say null there."""
MESSAGES = "ChatCompletionMessageList"
"""Its own example has a user, where its schema has assistants alone."""


class Document:
    def __init__(self, text: str) -> None:
        told = _with_nulls(json.loads(text))
        for name, field in NULL_TOO:
            _let_null(told["components"]["schemas"][name], field)
        resource = DRAFT202012.create_resource(told)
        self._registry = Registry().with_resource("urn:openai", resource)
        self.faults: Counter[str] = Counter()
        self.checked: Counter[str] = Counter()

    def check(self, kind: str, told: Any) -> None:
        schema = {"$ref": f"urn:openai#/components/schemas/{kind}"}
        self.checked[kind] += 1
        for error in Draft202012Validator(schema, registry=self._registry).iter_errors(told):
            self.faults[f"{kind}: {_deepest(error)}"] += 1


async def main(document: Document) -> None:
    async with fleet() as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        for path, models, bodies, whole, piece in PATHS:
            for model in models:
                for body in bodies:
                    await _check(document, client, path, {"model": model} | body, whole, piece)
            if path == "/responses":
                compact = {"model": "mini", "input": "hi"}
                answer = await client.post(f"{path}/compact", json=compact)
                document.check("CompactResource", answer.json())
        await _check_chats(document, client)
        await _check_conversations(document, client)
        document.check("ListModelsResponse", (await client.get("/models")).json())
        document.check("Model", (await client.get("/models/mini")).json())


async def _check(
    document: Document, client: httpx.AsyncClient, path: str, body: Json, whole: str, piece: Any
) -> None:
    answer = await client.post(path, json=body)
    document.check(whole if answer.status_code == 200 else "ErrorResponse", answer.json())
    if answer.status_code == 200 and whole == "Response":
        items = await client.get(f"{path}/{answer.json()['id']}/input_items")
        document.check("ResponseItemList", items.json())
    if answer.status_code == 200 and piece is not None:
        async for event in _events(client, path, body | {"stream": True}):
            document.check(piece, event)


async def _check_chats(document: Document, client: httpx.AsyncClient) -> None:
    """Those that are kept."""
    path = "/chat/completions"
    for model in MODELS:
        for body in CHATS[:-1]:
            fields = {"model": model, "store": True, "metadata": {"of": model}}
            made = await client.post(path, json=body | fields)
            if made.status_code != 200:
                continue  # not every model can do everything
            document.check("CreateChatCompletionResponse", made.json())
            at = f"{path}/{made.json()['id']}"
            document.check("CreateChatCompletionResponse", (await client.get(at)).json())
            messages = (await client.get(f"{at}/messages")).json()
            for message in messages["data"]:
                message["role"] = "assistant"
            document.check(MESSAGES, messages)
    document.check("ChatCompletionList", (await client.get(path)).json())
    changed = await client.post(at, json={"metadata": {"a": "b"}})
    document.check("CreateChatCompletionResponse", changed.json())
    document.check("ChatCompletionDeleted", (await client.delete(at)).json())
    document.check("ErrorResponse", (await client.get(at)).json())


async def _check_conversations(document: Document, client: httpx.AsyncClient) -> None:
    for model in MODELS:
        made = await client.post("/conversations", json={"metadata": {"of": model}})
        document.check("ConversationResource", made.json())
        at = f"/conversations/{made.json()['id']}"
        for body in ANSWERS[:-2]:
            fields = {"model": model, "conversation": made.json()["id"]}
            said = await client.post("/responses", json=body | fields)
            document.check("Response" if said.status_code == 200 else "ErrorResponse", said.json())
        items = await client.get(f"{at}/items")
        document.check("ConversationItemList", items.json())
        item = f"{at}/items/{items.json()['first_id']}"
        document.check("ConversationItem", (await client.get(item)).json())
        document.check("ConversationResource", (await client.delete(item)).json())
        added = await client.post(f"{at}/items", json={"items": [{"role": "user", "content": "x"}]})
        document.check("ConversationItemList", added.json())
        changed = await client.post(at, json={"metadata": {}})
        document.check("ConversationResource", changed.json())
        document.check("DeletedConversationResource", (await client.delete(at)).json())
        document.check("ErrorResponse", (await client.get(at)).json())


async def _events(client: httpx.AsyncClient, path: str, body: Json) -> AsyncIterator[Any]:
    async with client.stream("POST", path, json=body) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))


def _with_nulls(told: Any) -> Any:
    """`nullable` is a word of an older OpenAPI than the document says it is written in."""
    if isinstance(told, list):
        return [_with_nulls(each) for each in told]
    if not isinstance(told, dict):
        return told
    found = {name: _with_nulls(each) for name, each in told.items()}
    return {"anyOf": [found, {"type": "null"}]} if found.get("nullable") is True else found


def _let_null(told: Any, field: str) -> None:
    """Wherever there is a property of this name."""
    if isinstance(told, dict):
        named = told.get("properties", {})
        if field in named:
            named[field] = {"anyOf": [named[field], {"type": "null"}]}
        told = list(told.values())
    for each in told if isinstance(told, list) else ():
        _let_null(each, field)


def _deepest(error: ValidationError) -> str:
    """What is wrong with the alternative that fits best."""
    while error.context:
        error = max(
            error.context, key=lambda one: (len(one.absolute_path), one.validator != "enum")
        )
    return f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"


if __name__ == "__main__":
    found = Document(Path(sys.argv[1]).read_text("utf-8"))
    asyncio.run(main(found))
    for fault, times in found.faults.items():
        sys.stdout.write(f"{times} times {fault}\n")
    sys.stdout.write(f"{found.checked.total()} held against the document, {dict(found.checked)}\n")
    sys.exit(bool(found.faults))
