"""Servers of models as they show themselves: the endpoints that each kind is known by, no model.

The shapes are those of the servers' public documentation at the end of 2026.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from server.clients.servers.found import Kind
from tests.fakes.upstream import LAST_CHUNK, STREAM_HEAD, Received, Writer, chunk, whole

Json = dict[str, Any]
Answer = Callable[[Json], Json | list[Any] | None]
"""Of a path: what it answers to a body; None: 404."""


@dataclass
class FakeServer:
    """Its `script` serves at `tests.fakes.upstream.upstream`; change its models at any time."""

    kind: Kind
    models: list[str] = field(default_factory=lambda: ["m"])
    key: str = ""
    """Demanded below /v1 when there is one."""
    status: str = ""
    """Of every answer, such as `503 Service Unavailable`; empty: as it should be."""
    gone: bool = False
    """It hangs up, as one whose process ends does; stop listening too."""
    routes: list[str] | None = None
    """Of a vLLM: what its `/openapi.json` has; none: there is no such document."""
    asked: list[str] = field(default_factory=list)
    """Method and path of each request."""

    async def script(self, received: Received, writer: Writer) -> None:
        method, target, _ = received.head.decode().split(" ", 2)
        path = target.partition("?")[0]
        self.asked.append(f"{method} {path}")
        if self.gone:
            writer.close()
            return
        if self.status:
            writer.write(whole(b'{"error": "busy"}', self.status))
            return
        shown = received.header("authorization")
        if self.key and path.startswith("/v1/") and shown != f"Bearer {self.key}":
            writer.write(whole(b'{"error": "Unauthorized"}', "401 Unauthorized"))
            return
        fields: Json = json.loads(received.body) if received.body else {}
        if path == "/v1/chat/completions" and fields.get("stream"):
            writer.write(STREAM_HEAD)
            for event in _events(fields):
                writer.write(chunk(event))
            writer.write(LAST_CHUNK)
            return
        answer = self._routes().get(f"{method} {path}")
        said = answer(fields) if answer else None
        if said is None:
            writer.write(whole(b'{"detail": "Not Found"}', "404 Not Found"))
        else:
            writer.write(whole(json.dumps(said).encode()))

    def _routes(self) -> dict[str, Answer]:
        routes: dict[str, Answer] = {
            "GET /v1/models": lambda _: {
                "object": "list",
                "data": [self._entry(name) for name in self.models],
            },
            "POST /v1/chat/completions": _chat,
        }
        return routes | _NATIVE[self.kind](self)

    def _entry(self, name: str) -> Json:
        entry: Json = {"id": name, "object": "model", "created": 1, "owned_by": _OWNERS[self.kind]}
        if self.kind in ("vllm", "sglang"):
            entry |= {"root": f"/models/{name}", "parent": None, "max_model_len": 4096}
        if self.kind == "llama.cpp":
            entry |= {"meta": {"n_ctx_train": 131072, "n_params": 1}}
        if self.kind == "shortline":
            entry |= {"context_length": 640, "abilities": ["chat", "completions"]}
        return entry


_OWNERS: dict[Kind, str] = {
    "vllm": "vllm",
    "sglang": "sglang",
    "ollama": "library",
    "llama.cpp": "llamacpp",
    "tgi": "org/model",
    "shortline": "shortline",
    "openai": "me",
}


def _vllm(server: FakeServer) -> dict[str, Answer]:
    routes = server.routes
    described: Json | None = None if routes is None else {"paths": {one: {} for one in routes}}
    return {
        "GET /version": lambda _: {"version": "0.11.0"},
        "GET /openapi.json": lambda _: described,
        **_counting(),
    }


def _sglang(server: FakeServer) -> dict[str, Answer]:
    info = {"version": "0.5.4", "model_path": "/models/m", "context_length": 4096}
    return {"GET /get_server_info": lambda _: info, **_counting()}


def _counting() -> dict[str, Answer]:
    return {
        "POST /tokenize": lambda said: {"count": 2, "max_model_len": 4096, "tokens": [7, 8]},
        "POST /detokenize": lambda said: {"prompt": "two words"},
    }


def _ollama(server: FakeServer) -> dict[str, Answer]:
    """One whose name begins with `embed` makes embeddings; the first of the others is loaded."""

    def show(said: Json) -> Json | None:
        name = said.get("model")
        if name not in server.models:
            return None
        does = ["embedding"] if str(name).startswith("embed") else ["completion", "tools"]
        about = {"general.architecture": "llama", "llama.context_length": 131072}
        return {"capabilities": does, "model_info": about, "parameters": "num_ctx 2048"}

    def running(_: Json) -> Json:
        talkers = [name for name in server.models if not name.startswith("embed")]
        return {"models": [{"name": name, "context_length": 8192} for name in talkers[:1]]}

    return {
        "GET /api/version": lambda _: {"version": "0.12.3"},
        "GET /api/tags": lambda _: {"models": [{"name": name} for name in server.models]},
        "GET /api/ps": running,
        "POST /api/show": show,
    }


def _llama_cpp(server: FakeServer) -> dict[str, Answer]:
    props = {
        "default_generation_settings": {"n_ctx": 2048, "params": {}},
        "total_slots": 4,
        "modalities": {"vision": True, "audio": False},
        "build_info": "b8681-abc",
    }
    return {
        "GET /props": lambda _: props,
        "GET /api/tags": lambda _: {"models": []},
        "POST /apply-template": lambda said: {"prompt": f"<s>{said['messages'][0]['content']}"},
        "POST /tokenize": lambda said: {"tokens": list(range(len(said["content"])))},
        "POST /detokenize": lambda said: {"content": "".join(map(chr, said["tokens"]))},
    }


def _tgi(server: FakeServer) -> dict[str, Answer]:
    info = {
        "model_id": "org/model",
        "model_sha": None,
        "max_concurrent_requests": 128,
        "max_input_tokens": 1024,
        "max_total_tokens": 2048,
        "version": "3.3.6",
        "router": "text-generation-router",
    }
    tokens = [{"id": 5, "text": "a", "start": 0, "stop": 1}]
    return {
        "GET /info": lambda _: info,
        "POST /tokenize": lambda said: tokens,
        "POST /chat_tokenize": lambda said: {"tokenize_response": tokens, "templated_text": "a"},
    }


def _nothing(server: FakeServer) -> dict[str, Answer]:
    return {}


_NATIVE: dict[Kind, Callable[[FakeServer], dict[str, Answer]]] = {
    "vllm": _vllm,
    "sglang": _sglang,
    "ollama": _ollama,
    "llama.cpp": _llama_cpp,
    "tgi": _tgi,
    "shortline": lambda server: _counting(),
    "openai": _nothing,
}


def _chat(said: Json) -> Json:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": said.get("model"),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": f"I am {said.get('model')}"},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def _events(said: Json) -> list[bytes]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1}
    events = []
    for delta, end in (({"content": "I am"}, None), ({}, "stop")):
        choice = {"index": 0, "delta": delta, "finish_reason": end}
        event = head | {"model": said.get("model"), "choices": [choice]}
        events.append(b"data: " + json.dumps(event).encode() + b"\n\n")
    return [*events, b"data: [DONE]\n\n"]
