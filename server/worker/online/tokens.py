"""`/tokenize` and `/detokenize` as vLLM has them, of servers that have them in some form."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import orjson
from pydantic import SecretStr

from server.clients.calls import Said, fetch
from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.clients.servers.found import Kind
from server.core.errors import BadRequest, NotFound, TransportError, UpstreamFailed
from server.core.limits import MAX_JSON_BYTES
from server.core.provider_settings import ProviderSettings
from server.core.strict_json import parse_object
from server.web.asgi import JSON, Receive, Scope, Send, read_body, send_json, send_whole
from server.wire.openai_refusals import bad
from server.worker.online.provider import (
    Redactor,
    authorised,
    failure_of_status,
    failure_of_transport,
)

TOKENIZE: Final = "/tokenize"
DETOKENIZE: Final = "/detokenize"
PATHS: Final = (TOKENIZE, DETOKENIZE)
TOKENS_S: Final = 30.0
"""For one request, all that it takes."""
AS_THEY_ARE: Final[frozenset[Kind]] = frozenset({"vllm", "sglang", "shortline"})
"""Both of their paths are vLLM's."""
MAX_TOKENS_BYTES: Final = 64 * 1024 * 1024
"""Of an answer: a token may take a dozen bytes of JSON, or a hundred with its text."""

Json = Mapping[str, Any]


class Tokens:
    """`models` serve here by the same name that they have there."""

    def __init__(
        self, settings: ProviderSettings, origin: Origin, key: SecretStr | None, http: HTTPClient
    ) -> None:
        self._provider = settings.name
        self._root = origin._replace(base_path=origin.base_path.removesuffix("/v1"))
        self._headers = authorised(settings, key)
        self._redact = Redactor(key)
        self._http = http
        self.kind: Kind = "openai"
        self.models: Mapping[str, int | None] = {}
        """And the context of each."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        body = await read_body(scope, receive, MAX_JSON_BYTES)
        fields = parse_object(body)
        model = fields.get("model")
        if not isinstance(model, str) or model not in self.models:
            raise NotFound(f"The server {self._provider} has no model {model!r}.", param="model")
        try:
            async with asyncio.timeout(TOKENS_S):
                if self.kind in AS_THEY_ARE:
                    said = await self._call(path, body)
                    await send_whole(send, said.status, [JSON], self._redact(said.body))
                else:
                    await send_json(send, await self._translated(path, model, fields))
        except TimeoutError as error:
            raise UpstreamFailed(f"The server {self._provider} counts for too long.") from error

    async def _translated(self, path: str, model: str, fields: Json) -> Json:
        if path == DETOKENIZE:
            if self.kind != "llama.cpp":
                raise self._cannot(path)
            told = await self._ask(path, {"model": model, "tokens": _tokens(fields)})
            return {"prompt": _field(told, "content", str)}
        if self.kind == "llama.cpp":
            ids = await self._of_llama(model, fields)
        elif self.kind == "tgi":
            ids = await self._of_tgi(model, fields)
        else:
            raise self._cannot(path)
        return {"count": len(ids), "max_model_len": self.models[model], "tokens": ids}

    async def _of_llama(self, model: str, fields: Json) -> list[int]:
        text, special = _prompt(fields), fields.get("add_special_tokens", True)
        if text is None:
            chat = {"model": model, "messages": _messages(fields)}
            told = await self._ask("/apply-template", chat)
            text, special = _field(told, "prompt", str), True  # it strips a second one itself
        asked = {"model": model, "content": text, "add_special": special, "parse_special": True}
        return _ids(_field(await self._ask(TOKENIZE, asked), "tokens", list))

    async def _of_tgi(self, model: str, fields: Json) -> list[int]:
        text = _prompt(fields)
        if text is None:
            chat = {"model": model, "messages": _messages(fields)}
            told = await self._ask("/chat_tokenize", chat)
            return _ids(_field(told, "tokenize_response", list))
        special = fields.get("add_special_tokens", True)
        return _ids(await self._ask(TOKENIZE, {"inputs": text, "add_special_tokens": special}))

    def _cannot(self, path: str) -> NotFound:
        return NotFound(f"The server {self._provider} has no {path} for us.", param="model")

    async def _ask(self, path: str, fields: Json) -> Any:
        said = await self._call(path, orjson.dumps(fields))
        if said.status != 200:
            raise BadRequest(f"The server {self._provider} does not take it ({said.status}).")
        try:
            return orjson.loads(said.body)
        except orjson.JSONDecodeError as error:
            raise _nonsense() from error

    async def _call(self, path: str, body: bytes) -> Said:
        try:
            said = await fetch(
                self._http,
                self._root,
                path.encode(),
                body,
                self._headers,
                within_s=TOKENS_S,
                most_bytes=MAX_TOKENS_BYTES,
            )
        except TransportError as error:
            raise failure_of_transport(self._provider, error) from error
        failure = failure_of_status(self._provider, said.status, self._redact(said.body), None)
        if failure is not None:
            raise failure
        return said


def _prompt(fields: Json) -> str | None:
    """None for a chat."""
    if "messages" in fields:
        return None
    prompt = fields.get("prompt")
    if not isinstance(prompt, str):
        raise bad("prompt", "it must be a string", "invalid_type")
    return prompt


def _messages(fields: Json) -> list[Any]:
    messages = fields.get("messages")
    if not isinstance(messages, list):
        raise bad("messages", "it must be a list", "invalid_type")
    return messages


def _tokens(fields: Json) -> list[int]:
    tokens = fields.get("tokens")
    if not isinstance(tokens, list) or not all(type(token) is int for token in tokens):
        raise bad("tokens", "it must be a list of whole numbers", "invalid_type")
    return tokens


def _field(told: object, name: str, kind: type[Any]) -> Any:
    value = told.get(name) if isinstance(told, dict) else None
    if not isinstance(value, kind):
        raise _nonsense()
    return value


def _ids(tokens: object) -> list[int]:
    """Of a list of ids, or of objects that have one each."""
    if not isinstance(tokens, list):
        raise _nonsense()
    ids = []
    for token in tokens:
        id = token.get("id") if isinstance(token, dict) else token
        if type(id) is not int:
            raise _nonsense()
        ids.append(id)
    return ids


def _nonsense() -> UpstreamFailed:
    return UpstreamFailed("The server answered something that is no list of tokens.")
