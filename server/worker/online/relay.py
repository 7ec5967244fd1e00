"""An online provider behind a worker's face: bytes pass, the model's name and the key change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from pydantic import SecretStr

from server.clients.http import Answer, HTTPClient
from server.clients.origin import Origin
from server.core.errors import (
    BadRequest,
    ConnectFailed,
    ModelNotFound,
    RequestError,
    TransportError,
    WorkerLost,
)
from server.core.limits import (
    BETWEEN_TOKENS_S,
    FIRST_TOKEN_S,
    MAX_CHAT_BYTES,
    MAX_JSON_BYTES,
    WHOLE_REQUEST_S,
)
from server.core.model_name import with_model
from server.core.provider_settings import ProviderSettings
from server.core.strict_json import parse_object
from server.web.asgi import Receive, Scope, Send, header, read_body
from server.web.drain import Drain
from server.web.edge import request_id_of
from server.web.patience import Patience
from server.web.relay import Stream, end_with_error, is_stream, read_whole, send_answer
from server.wire.fleet import TRANSLATED_HEADER
from server.worker.online.provider import (
    Redactor,
    authorised,
    check_whole,
    failure_of_status,
    failure_of_transport,
    lost_in_answer,
)
from server.worker.slots import Slots
from server.worker.terms import terms_of

PATHS = {
    "/v1/chat/completions": b"/chat/completions",
    "/v1/completions": b"/completions",
    "/v1/embeddings": b"/embeddings",
    "/v1/rerank": b"/rerank",
}
_MAX_TOKENS = ("max_tokens", "max_completion_tokens")
_TRANSLATED = TRANSLATED_HEADER.encode()


ID_HEADER: Final = b"x-request-id"
"""For the provider's own log."""
STRANGERS_ID_HEADER: Final = b"x-client-request-id"
"""OpenAI's name for it. Some servers, llama-cpp-python's among them, refuse every request whose
`x-request-id` is no UUID."""


class ProviderRelay:
    """`upstream_names`: our name of each model to the provider's."""

    def __init__(
        self,
        settings: ProviderSettings,
        origin: Origin,
        key: SecretStr | None,
        upstream_names: Mapping[str, str],
        http: HTTPClient,
        slots: Slots,
        drain: Drain,
    ) -> None:
        self._provider = settings.name
        self._max_tokens = settings.max_tokens_field
        self._pool = http.at(origin)
        self._headers = authorised(settings, key)
        self._redact = Redactor(key)
        self._names = upstream_names
        self._id_header = ID_HEADER
        self._slots = slots
        self._drain = drain
        self.not_there: Callable[[], None] = lambda: None
        """Called when the provider could not be reached."""

    def offer(self, upstream_names: Mapping[str, str], *, known: bool = True) -> None:
        """Its models are these from now on. `known`: whether we know what kind of server it is."""
        self._names = upstream_names
        self._id_header = ID_HEADER if known else STRANGERS_ID_HEADER

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        max_bytes = MAX_CHAT_BYTES if path == "/v1/chat/completions" else MAX_JSON_BYTES
        body = await read_body(scope, receive, max_bytes)
        fields = parse_object(body)
        if header(scope, _TRANSLATED) is not None:
            body = self._in_its_words(body, fields)
        outgoing = self._outgoing(body, fields.get("model"))
        passage = _Passage(request_id_of(scope), one_choice=fields.get("n") in (None, 1))
        terms = terms_of(scope)
        try:
            with Patience(receive, self._drain, terms.whole_s) as limit:
                async with self._slots.take(terms.gateway, terms.lane, terms.customer):
                    limit.allow(FIRST_TOKEN_S if fields.get("stream") else WHOLE_REQUEST_S)
                    await self._ask(PATHS[path], outgoing, send, limit, passage)
        except RequestError as error:
            if not passage.started:
                raise
            if isinstance(error, WorkerLost):
                error = lost_in_answer(self._provider)
            await end_with_error(send, error, passage.request_id)

    def _in_its_words(self, body: bytes, fields: dict[str, Any]) -> bytes:
        """What nobody has written as it is may as well be called what the provider calls it."""
        if all(name == self._max_tokens or name not in fields for name in _MAX_TOKENS):
            return body
        named = {self._max_tokens if key in _MAX_TOKENS else key: fields[key] for key in fields}
        return orjson.dumps(named)

    def _outgoing(self, body: bytes, model: object) -> bytes:
        if not isinstance(model, str) or model not in self._names:
            raise ModelNotFound(f"The provider {self._provider} has no model {model!r} here.")
        try:
            return with_model(body, model, self._names[model])
        except ValueError as error:
            raise BadRequest('Write the key "model" without escapes.', param="model") from error

    async def _ask(
        self, path: bytes, body: bytes, send: Send, limit: Patience, passage: _Passage
    ) -> None:
        """Until its answer is passed on, what goes wrong at the provider becomes typed errors."""
        try:
            own_id = (self._id_header, passage.request_id.encode())
            async with self._pool.request(path, body, self._headers, more=(own_id,)) as answer:
                await self._pass_on(answer, send, limit, passage)
        except TransportError as error:
            if isinstance(error, ConnectFailed):
                self.not_there()
            if passage.started:
                raise
            raise failure_of_transport(self._provider, error) from error

    async def _pass_on(
        self, answer: Answer, send: Send, limit: Patience, passage: _Passage
    ) -> None:
        if answer.status == 200 and is_stream(answer):
            stream = Stream(answer, limit, self._redact, one_choice=passage.one_choice)
            await stream.open()
            passage.started = True
            await stream.pass_on(send)
            return
        limit.allow(BETWEEN_TOKENS_S)
        body = self._redact(await read_whole(answer, limit))
        failure = failure_of_status(
            self._provider, answer.status, body, answer.header(b"retry-after")
        )
        if failure is not None:
            raise failure
        check_whole(self._provider, body)
        await send_answer(send, answer, body, limit)


class _Passage:
    """Whether the client has been sent anything, and how many choices it waits for."""

    __slots__ = ("one_choice", "request_id", "started")

    def __init__(self, request_id: str, *, one_choice: bool) -> None:
        self.request_id = request_id
        self.one_choice = one_choice
        self.started = False
