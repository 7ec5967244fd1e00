"""OpenAI's endpoints over one local model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from server.core.ids import new_id
from server.core.limits import WRITE_STALL_S
from server.core.sse import DONE, comment, data_event
from server.web.asgi import EVENT_STREAM, Receive, Scope, Send, send_json
from server.web.patience import Patience
from server.web.table import Routes
from server.wire.openai import ChatRequest, CompletionRequest, EmbeddingRequest
from server.worker.asked import Ask, Prepared
from server.worker.local.answer import Answer, choices_of
from server.worker.local.ask import chat_ask, completion_ask, prompts
from server.worker.local.bodies import read_request
from server.worker.local.conversation import chat_of
from server.worker.local.forms import ChatForm, CompletionForm, Json
from server.worker.local.model import Model
from server.worker.local.response_format import text_form
from server.worker.local.stream import outlet
from server.worker.local.vectors import embedding_list
from server.worker.terms import Terms, terms_of

MODELS = "/v1/models"


class OpenAIRoutes:
    def __init__(self, model: Model) -> None:
        self._model = model

    def routes(self) -> Routes:
        return {
            ("POST", "/v1/chat/completions"): self.chat,
            ("POST", "/v1/completions"): self.completions,
            ("POST", "/v1/embeddings"): self.embeddings,
            ("GET", MODELS): self.models,
            **{
                ("GET", f"{MODELS}/{name}"): partial(self.show, name)
                for name in self._model.settings.names
            },
            ("GET", "/worker/stats"): self.stats,
        }

    async def chat(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await read_request(ChatRequest, scope, receive)
        self._model.check(request.model, "chat")
        engine, terms = self._model.engine, terms_of(scope)
        asked: list[tuple[Prepared, Ask]] = []

        async def ready() -> None:
            prepared, ask = await self._chat_ask(request, terms)
            asked.append((prepared, ask))
            if ask.form is not None:
                await engine.learn(ask.form)

        first = ready if request.has_form else None
        async with outlet(scope, send) as out, self._model.turn(terms, receive, first) as limit:
            if not asked:
                await ready()
            [(prepared, ask)] = asked
            answer = Answer(
                ChatForm(logprobs=bool(request.logprobs), old_calls=request.functions is not None),
                engine,
                choices_of([prepared], [ask], request.n or 1, marks=ask.marks),
                id=new_id("chatcmpl"),
                created=int(self._model.clock.wall()),
                model=request.model,
                fingerprint=self._model.fingerprint(request.model),
                include_usage=request.include_usage,
                spare=self._model.slots.spare(terms.lane, terms.customer),
            )
            if request.stream:
                events = _events(answer, tell_usage=bool(terms.gateway))
                await out.stream(events, limit, EVENT_STREAM)
            else:
                await _send_whole(answer, send, limit)

    async def _chat_ask(self, request: ChatRequest, terms: Terms) -> tuple[Prepared, Ask]:
        model = self._model
        prepared = await model.prepare(chat_of(request))
        ask = chat_ask(request, prepared, model.engine.context_length, terms, model.marks)
        return prepared, replace(ask, adapter=model.adapter(request.model))

    async def completions(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await read_request(CompletionRequest, scope, receive)
        self._model.check(request.model, "completions")
        engine, terms = self._model.engine, terms_of(scope)
        adapter = self._model.adapter(request.model)
        form = text_form(request)
        first = None if form is None else partial(engine.learn, form)
        async with outlet(scope, send) as out, self._model.turn(terms, receive, first) as limit:
            prepared = [await self._model.prepare(prompt) for prompt in prompts(request)]
            asks = [
                replace(completion_ask(request, p, engine.context_length, terms), adapter=adapter)
                for p in prepared
            ]
            made, n = request.candidates, request.n or 1
            echo, silent = bool(request.echo), request.max_tokens == 0
            answer = Answer(
                CompletionForm(logprobs=request.logprobs is not None),
                engine,
                choices_of(prepared, asks, made, echo=echo, silent=silent),
                id=new_id("cmpl"),
                created=int(self._model.clock.wall()),
                model=request.model,
                fingerprint=self._model.fingerprint(request.model),
                include_usage=request.include_usage,
                spare=self._model.slots.spare(terms.lane, terms.customer),
                best=(made, n) if made > n else None,
            )
            if request.stream:
                events = _events(answer, tell_usage=bool(terms.gateway))
                await out.stream(events, limit, EVENT_STREAM)
            else:
                await _send_whole(answer, send, limit)

    async def embeddings(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await read_request(EmbeddingRequest, scope, receive)
        self._model.check(request.model, "embeddings")
        inputs = [item if isinstance(item, str) else tuple(item) for item in request.input]
        terms = terms_of(scope)
        async with self._model.turn(terms, receive) as limit:
            embedded = await self._model.engine.embed(
                inputs, request.dimensions, lane=terms.lane, customer=terms.customer
            )
            as_base64 = request.encoding_format == "base64"
            body = await asyncio.to_thread(
                embedding_list, embedded, request.model, as_base64=as_base64
            )
            limit.allow(WRITE_STALL_S, "client")
            await send_json(send, body)

    async def models(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        cards = [self._card(name) for name in self._model.settings.names]
        await send_json(send, {"object": "list", "data": cards})

    async def show(self, name: str, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send_json(send, self._card(name))

    async def stats(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        slots = self._model.slots
        counts = self._model.load().model_dump()
        await send_json(send, counts | {"slots": slots.slots, "queue": slots.queue})

    def _card(self, name: str) -> Json:
        return {
            "id": name,
            "object": "model",
            "created": self._model.created,
            "owned_by": "shortline",
            "root": self._model.name,
            "parent": self._model.name if self._model.adapter(name) else None,
            "context_length": self._model.engine.context_length,
            "abilities": self._model.engine.abilities,
        }


async def _send_whole(answer: Answer, send: Send, limit: Patience) -> None:
    whole = await answer.whole()
    limit.allow(WRITE_STALL_S, "client")
    await send_json(send, whole)


async def _events(answer: Answer, *, tell_usage: bool) -> AsyncGenerator[bytes, None]:
    """`tell_usage`: also where the client did not ask for it, in a comment, so that the gateway
    need not guess what its key has used."""
    async with aclosing(answer.chunks()) as chunks:
        async for chunk in chunks:
            yield data_event(chunk)
    if tell_usage and not answer.include_usage:
        yield comment({"usage": answer.usage.json()})
    yield DONE
