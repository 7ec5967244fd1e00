"""FastChat's worker protocol over one local model (fschat 0.2.36).

FastChat's API server builds the prompt itself, from the conversation template it asks for, so on
this way a special token inside somebody's text is a special token. Trouble has status 200 and an
`error_code`, as FastChat's clients expect.

https://github.com/lm-sys/FastChat/blob/v0.2.36/fastchat/serve/base_model_worker.py
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.core.errors import ContextLengthExceeded, Overloaded, RequestError
from server.core.limits import WRITE_STALL_S
from server.web.asgi import Header, Receive, Scope, Send, send_json
from server.web.bodies import read_json
from server.web.edge import request_id_of
from server.web.table import Routes
from server.wire.fastchat import ErrorCode, WorkerStatus, failure, piece
from server.wire.lanes import Lane
from server.wire.openai import MAX_TOKENS, Stops
from server.wire.openai_inputs import MAX_INPUTS
from server.worker.asked import Ask, Embedded, Prepared, Text
from server.worker.context import room
from server.worker.engine import Style
from server.worker.local.bodies import parsed
from server.worker.local.model import Model, as_request_error
from server.worker.local.stream import Outlet
from server.worker.local.vectors import encoded
from server.worker.terms import terms_of

PATHS = frozenset(
    {
        "/worker_generate_stream",
        "/worker_generate",
        "/worker_get_embeddings",
        "/worker_get_status",
        "/count_token",
        "/worker_get_conv_template",
        "/model_details",
    }
)
_STREAM: tuple[Header, ...] = ((b"content-type", b"text/event-stream"),)
_RAW = Style(
    {
        "name": "raw",
        "system_template": "{system_message}",
        "system_message": "",
        "roles": ["", ""],
        "messages": [],
        "offset": 0,
        "sep_style": 4,
        "sep": "\n",
        "sep2": None,
        "stop_str": None,
        "stop_token_ids": None,
    }
)
"""For a model without turns."""

Json = dict[str, Any]


class Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Generate(Lenient):
    model: str | None = None
    """What does not name an adapter is the model itself."""
    prompt: str
    temperature: float = Field(default=1.0, ge=0, le=2)
    top_p: float = Field(default=1.0, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=-1, le=MAX_TOKENS)
    repetition_penalty: float | None = Field(default=None, gt=0, le=10)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    max_new_tokens: int | None = Field(default=None, le=MAX_TOKENS)
    """None or none left: as many as fit."""
    stop: str | Stops | None = None
    stop_token_ids: Annotated[list[int], Field(fail_fast=True, max_length=256)] | None = None
    echo: bool = True


class Embed(Lenient):
    input: Annotated[list[str], Field(fail_fast=True, min_length=1, max_length=MAX_INPUTS)]
    encoding_format: Literal["float", "base64"] | None = None


class Count(Lenient):
    prompt: str


class FastChatRoutes:
    def __init__(self, model: Model) -> None:
        self._model = model

    def routes(self) -> Routes:
        return {
            ("POST", "/worker_generate_stream"): self._generate_stream,
            ("POST", "/worker_generate"): self._generate,
            ("POST", "/worker_get_embeddings"): self._embeddings,
            ("POST", "/worker_get_status"): self._status,
            ("POST", "/count_token"): self._count,
            ("POST", "/worker_get_conv_template"): self._template,
            ("POST", "/model_details"): self._details,
        }

    def status(self) -> WorkerStatus:
        load = self._model.slots.load()
        return WorkerStatus(
            model_names=self._model.settings.names,
            speed=self._model.settings.speed,
            queue_length=load.running + load.waiting,
        )

    async def _generate_stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        params = parsed(Generate, await read_json(scope, receive))
        out = Outlet(send)
        try:
            terms = terms_of(scope)
            async with self._model.turn(terms, receive) as limit:
                await out.stream(self._pieces(params, terms.lane), limit, _STREAM)
        except Exception as error:  # FastChat's streams end with what went wrong  # noqa: BLE001
            last = _failure(as_request_error(error, request_id_of(scope)))
            if not out.started:
                await send({"type": "http.response.start", "status": 200, "headers": [*_STREAM]})
            await send({"type": "http.response.body", "body": last})

    async def _generate(self, scope: Scope, receive: Receive, send: Send) -> None:
        params = parsed(Generate, await read_json(scope, receive))
        await self._answer(scope, receive, send, lambda lane: self._last_state(params, lane))

    async def _embeddings(self, scope: Scope, receive: Receive, send: Send) -> None:
        params = parsed(Embed, await read_json(scope, receive))
        await self._answer(scope, receive, send, lambda lane: self._vectors(params, lane))

    async def _status(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send_json(send, self.status().model_dump())

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        params = parsed(Count, await read_json(scope, receive))
        try:
            answer = {"count": (await self._prepare(params.prompt)).tokens, "error_code": 0}
        except Exception as error:  # noqa: BLE001
            answer = _trouble(as_request_error(error, request_id_of(scope)))
            if isinstance(error, ContextLengthExceeded):
                # FastChat's API server reads nothing but `count`, and refuses what does not fit.
                answer["count"] = (self._model.engine.context_length or 0) + 1
        await send_json(send, answer)

    async def _template(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send_json(send, {"conv": self._style().fields})

    async def _details(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send_json(send, {"context_length": self._model.engine.context_length})

    def _style(self) -> Style:
        return self._model.engine.style() or _RAW

    async def _prepare(self, prompt: str) -> Prepared:
        return await self._model.prepare(Text(self._style().without_empty_system(prompt)))

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, make: Callable[[Lane], Awaitable[Json]]
    ) -> None:
        """Send what `make` makes in a slot, or what went wrong before sending began."""
        sending = False
        try:
            terms = terms_of(scope)
            async with self._model.turn(terms, receive) as limit:
                answer = await make(terms.lane)
                limit.allow(WRITE_STALL_S, "client")
                sending = True
                await send_json(send, answer)
        except Exception as error:
            if sending:
                raise
            await send_json(send, _trouble(as_request_error(error, request_id_of(scope))))

    async def _last_state(self, params: Generate, lane: Lane) -> Json:
        last: Json = {}
        async with aclosing(self._states(params, lane)) as states:
            async for state in states:
                last = state
        return last

    async def _vectors(self, params: Embed, lane: Lane) -> Json:
        embedded = await self._model.engine.embed(params.input, lane=lane)
        as_base64 = params.encoding_format == "base64"
        return await asyncio.to_thread(_embedding, embedded, as_base64=as_base64)

    async def _pieces(self, params: Generate, lane: Lane) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._states(params, lane)) as states:
            async for state in states:
                yield piece(state)

    async def _states(self, params: Generate, lane: Lane) -> AsyncGenerator[Json, None]:
        """The whole text so far, again and again. Raises `ContextLengthExceeded`."""
        engine = self._model.engine
        prepared = await self._prepare(params.prompt)
        most = room(engine.context_length, prepared.tokens, None, param="messages")
        if params.max_new_tokens is not None and params.max_new_tokens > 0:
            most = min(most, params.max_new_tokens)
        ask = _ask(params, most, lane, self._model.adapter(params.model or ""))
        text = params.prompt if params.echo else ""
        async with aclosing(engine.generate(prepared, ask)) as deltas:
            async for delta in deltas:
                text += delta.text
                yield {
                    "text": text,
                    "error_code": 0,
                    "usage": {
                        "prompt_tokens": prepared.tokens,
                        "completion_tokens": delta.tokens,
                        "total_tokens": prepared.tokens + delta.tokens,
                    },
                    "finish_reason": delta.finish,
                    "logprobs": None,
                }


def _ask(params: Generate, max_tokens: int, lane: Lane, adapter: str) -> Ask:
    stop = (params.stop,) if isinstance(params.stop, str) else tuple(params.stop or ())
    return Ask(
        max_tokens=max_tokens,
        temperature=params.temperature,
        top_p=params.top_p,
        top_k=None if params.top_k is None else max(0, params.top_k),
        repetition_penalty=params.repetition_penalty,
        frequency_penalty=params.frequency_penalty or 0.0,
        presence_penalty=params.presence_penalty or 0.0,
        stop=stop,
        stop_token_ids=tuple(params.stop_token_ids or ()),
        adapter=adapter,
        lane=lane,
    )


def _embedding(embedded: Embedded, *, as_base64: bool) -> Json:
    vectors = [encoded(vector) if as_base64 else vector for vector in embedded.vectors]
    return {"embedding": vectors, "token_num": embedded.tokens}


def _failure(error: RequestError) -> bytes:
    trouble = _trouble(error)
    return failure(ErrorCode(trouble["error_code"]), trouble["text"])


def _trouble(error: RequestError) -> Json:
    """`error` as FastChat's API server passes it on."""
    code = ErrorCode.INTERNAL_ERROR
    if isinstance(error, ContextLengthExceeded):
        code = ErrorCode.CONTEXT_OVERFLOW
    elif isinstance(error, Overloaded):
        code = ErrorCode.ENGINE_OVERLOADED
    elif error.status == 400:
        code = ErrorCode.VALIDATION_TYPE_ERROR
    return {"text": error.message, "error_code": int(code)}
