"""A plugin for the API tests of openai-python, which were written for a server that makes its
answers up.

Those tests name models, responses, chats and conversations that are nowhere, and say values that
OpenAI's own API refuses. What they ask is put right here, just before it is sent; nothing else of
them is changed. `openai_python.py` runs them.
"""

from __future__ import annotations

import os
import re
from typing import Any

import httpx
import pytest
from openai import _base_client

URL = os.environ.get("TEST_API_BASE_URL", "")
CHAT = os.environ.get("SUITE_MODEL", "")
VECTORS = os.environ.get("SUITE_EMBEDDING_MODEL", "")
_RESPONSE = re.compile(r"/responses/(resp_677efb5139a88190b512bc3fef8e535d|response_id)(?=/|$)")
_KEPT = re.compile(r"/chat/completions/(completion_id)(?=/|$)")
_CONVERSATION = re.compile(r"/conversations/(conv_123)(?=/|$)")
_ITEM = "msg_abc"
"""Which those tests ask a conversation for."""
_NOT_MEANT = {"limit": 0, "after": "after"}
"""Of a list: a page of nothing, behind what is not in it."""
_CHAT = "/chat/completions"
_PROMPTED = "/completions"
_RESPONSES = ("/responses", "/responses/input_tokens", "/responses/compact")
_HOSTED = ("audio", "web_search_options", "moderation", "suffix", "functions", "function_call")
"""Of a chat or a completion: what only some models of OpenAI's have, and what excludes `tools`."""


@pytest.fixture(autouse=True)
def put_right(monkeypatch: pytest.MonkeyPatch) -> None:
    build: Any = _base_client.BaseClient._build_request

    def right(client: Any, options: Any, **more: Any) -> Any:
        options = options.model_copy(update={"url": _existing(options.url, options.method)})
        if isinstance(options.json_data, dict):
            said = options.json_data
            options = options.model_copy(update={"json_data": _possible(options.url, dict(said))})
        if isinstance(options.params, dict):
            meant = {k: v for k, v in options.params.items() if _NOT_MEANT.get(k, ...) != v}
            options = options.model_copy(update={"params": meant})
        return build(client, options, **more)

    monkeypatch.setattr(_base_client.BaseClient, "_build_request", right)


def _existing(url: str, method: str) -> str:
    """With the id of something that is there, and the name of a model."""
    if found := _RESPONSE.search(url):
        return url.replace(found[1], _made(background=url.endswith("/cancel")))
    if found := _KEPT.search(url):
        # Of the messages of a chat its types know those of an assistant alone.
        messages = [{"role": "assistant", "content": "hi"}]
        said = {"model": CHAT, "messages": messages, "max_tokens": 16, "store": True}
        return url.replace(found[1], _new("chat/completions", said))
    if found := _CONVERSATION.search(url):
        item = {"id": _ITEM, "role": "user", "content": "hi"}
        return url.replace(found[1], _new("conversations", {"items": [item]}))
    if method.lower() == "get":
        return url.replace("/models/gpt-6-astra", f"/models/{CHAT}")
    return url


def _made(*, background: bool = False) -> str:
    """The id of a new response."""
    said = {"model": CHAT, "input": "hi", "max_output_tokens": 16, "background": background}
    return _new("responses", said)


def _new(path: str, said: dict[str, Any]) -> str:
    answer = httpx.post(f"{URL}/{path}", json=said, timeout=30)
    return str(answer.raise_for_status().json()["id"])


def _possible(url: str, said: dict[str, Any]) -> dict[str, Any]:
    """What OpenAI's own API would take, and of a model that is there."""
    if url == "/embeddings":
        # Otherwise the client asks for base64, and reads it strictly before it has decoded it.
        return said | {"model": VECTORS, "encoding_format": "float"}
    if url in _RESPONSES:
        return _possible_response(said)
    if url in (_CHAT, _PROMPTED):
        said = {name: value for name, value in said.items() if name not in _HOSTED}
        said["model"] = CHAT
        if not said.get("stream"):
            said.pop("stream_options", None)
        counts = ("max_tokens", "max_completion_tokens", "best_of")
        said |= {name: 1 for name in counts if said.get(name) == 0}
        if "logit_bias" in said:
            said["logit_bias"] = {"42": 0}  # its keys are numbers of tokens
    return said


def _possible_response(said: dict[str, Any]) -> dict[str, Any]:
    said = {"input": "hi"} | said | {"model": CHAT}
    if "previous_response_id" in said:
        said["previous_response_id"] = _made()
        said.pop("conversation", None)  # one excludes the other
    said.pop("prompt", None)
    return said
