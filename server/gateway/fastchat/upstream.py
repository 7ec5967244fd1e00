"""How the gateway asks a FastChat worker: OpenAI's protocol outside, FastChat's inside.

    messages > conversation template > prompt > count its tokens > generate > deltas > OpenAI's JSON

All choices come from the worker's stream, one after the other, even for an answer that is not
streamed: only a stream stops when its reader leaves.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from struct import error as StructError
from struct import pack
from typing import Any

import orjson

from server.clients.http import HTTPClient
from server.core.clock import Clock, SystemClock
from server.core.errors import BadAnswer, BadRequest, CutOff
from server.core.limits import MAX_ANSWER_BYTES
from server.core.sse import DONE
from server.gateway.fastchat import params
from server.gateway.fastchat.client import FastChatClient, Model, natural
from server.gateway.fastchat.pieces import (
    Cumulative,
    Delta,
    context_exceeded,
)
from server.gateway.fastchat.prompt import write_prompt
from server.gateway.fastchat.shapes import Choice, Shape, Usage
from server.web.asgi import EVENT_STREAM, JSON, Header
from server.web.relay import Upstream
from server.wire.fleet import Ability

EMBEDDING_BATCH = 4
"""FastChat's `WORKER_API_EMBEDDING_BATCH_SIZE`."""
ENDLESS = 1024 * 1024
"""Tokens that FastChat's API server asks for when nobody sets a limit."""


@dataclass(slots=True)
class Job:
    """One request, ready to be sent: `asked` holds the parameters of each choice, in order."""

    address: str
    shape: Shape
    asked: list[dict[str, Any]]
    usage: Usage = field(default_factory=Usage)


@dataclass(slots=True)
class Whole:
    """An answer that is all here."""

    body: bytes
    status: int = 200
    headers: tuple[Header, ...] = (JSON,)

    def take_whole(self) -> bytes:
        body, self.body = self.body, b""
        return body

    async def chunk(self) -> bytes:
        return self.take_whole()

    async def pour(self, sink: Callable[[bytes], bool]) -> None:
        sink(await self.chunk())

    @property
    def ended(self) -> bool:
        return not self.body


@dataclass(slots=True)
class Events:
    """An answer that is still being written; `first` is here already."""

    first: bytes
    rest: AsyncGenerator[bytes]
    status: int = 200
    headers: tuple[Header, ...] = EVENT_STREAM

    def take_whole(self) -> None:
        """It never is."""

    async def chunk(self) -> bytes:
        if self.first:
            first, self.first = self.first, b""
            return first
        return await anext(self.rest, b"")

    async def pour(self, sink: Callable[[bytes], bool]) -> None:
        while (chunk := await self.chunk()) and sink(chunk):
            pass

    @property
    def ended(self) -> bool:
        return False  # that is not known before it ends


class FastChatUpstream:
    def __init__(self, http: HTTPClient, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._worker = FastChatClient(http, self._clock)

    @asynccontextmanager
    async def answer(
        self, address: str, ability: Ability, fields: dict[str, Any]
    ) -> AsyncIterator[Upstream]:
        """Ask the worker at `address` for what the OpenAI request `fields` wants.

        Nothing is yielded before the worker's first piece, so errors keep their status. Raises
        `RequestError`s of the request's or the worker's making, `ConnectFailed` when nothing was
        sent, `CutOff` or `BadAnswer` when the worker failed; `chunk` does so too.
        """
        params.refuse_unknown(fields)
        if ability == "embeddings":
            yield Whole(orjson.dumps(await self._embed(address, fields)))
            return
        if ability == "chat":
            job = await self._chat(address, fields)
        else:
            job = await self._completion(address, fields)
        if not fields.get("stream"):
            yield Whole(orjson.dumps(await self._gathered(job)))
            return
        async with aclosing(self._events(job)) as events:
            yield Events(await anext(events), events)

    async def _chat(self, address: str, fields: dict[str, Any]) -> Job:
        model = fields["model"]
        messages = params.messages_of(fields)
        if fields.get("logprobs"):
            raise BadRequest("A FastChat worker tells no logprobs in chats.", param="logprobs")
        common = {**params.sampling(fields), "logprobs": None, "echo": False}
        limit = params.token_limit(fields, None)
        choices, stops = params.choices(fields), params.stops(fields)
        told = await self._worker.model(address, model)
        prompt = write_prompt(told.template, messages)
        common |= {"stop": [*dict.fromkeys((*stops, *prompt.stop))]}
        common |= {"stop_token_ids": list(prompt.stop_token_ids) or None}
        if prompt.images:
            common["images"] = list(prompt.images)
        job = Job(address, self._shape("chat", fields), [])
        await self._add(job, told, {"model": model, "prompt": prompt.text, **common}, limit)
        job.asked *= choices
        return job

    async def _completion(self, address: str, fields: dict[str, Any]) -> Job:
        model = fields["model"]
        common = {
            **params.sampling(fields),
            "logprobs": _logprobs(fields),
            "echo": fields.get("echo") is True,
            "stop": params.stops(fields),
            "stop_token_ids": None,
        }
        limit = params.token_limit(fields, params.COMPLETION_TOKENS)
        prompts, choices = params.texts(fields, "prompt"), params.choices(fields)
        told = await self._worker.model(address, model)
        job = Job(address, self._shape("completions", fields), [])
        for prompt in prompts:
            await self._add(job, told, {"model": model, "prompt": prompt, **common}, limit)
        job.asked = [asked for asked in job.asked for _ in range(choices)]
        return job

    async def _add(self, job: Job, told: Model, asked: dict[str, Any], limit: int | None) -> None:
        """Count the prompt's tokens, and leave it as many for the answer as there is room."""
        question = {"model": asked["model"], "prompt": asked["prompt"]}
        said = await self._worker.call(job.address, "/count_token", question)
        count = natural(said.get("count"))
        if count is None:
            raise BadAnswer("the worker does not count tokens")
        room = ENDLESS if told.context_length is None else told.context_length - count
        if room <= 0:
            raise context_exceeded(told.context_length or 0, count)
        job.usage.prompt_tokens += count
        job.asked.append({**asked, "max_new_tokens": min(limit or ENDLESS, room)})

    async def _events(self, job: Job) -> AsyncGenerator[bytes]:
        for index, asked in enumerate(job.asked):
            begin = job.shape.begin(index)
            async with aclosing(self._deltas(job, asked)) as deltas:
                async for delta in deltas:
                    yield begin + job.shape.events(index, delta)
                    begin = b""
        yield job.shape.end(job.usage) + DONE

    async def _gathered(self, job: Job) -> dict[str, Any]:
        choices = []
        size = 0
        for asked in job.asked:
            choice = Choice()
            async with aclosing(self._deltas(job, asked)) as deltas:
                async for delta in deltas:
                    choice.add(delta)
                    size += len(delta.text)
                    if size > MAX_ANSWER_BYTES:
                        raise BadAnswer("the answer has no end")
            choices.append(choice)
        return job.shape.whole(choices, job.usage)

    async def _deltas(self, job: Job, asked: dict[str, Any]) -> AsyncGenerator[Delta]:
        """The new text of one choice; its tokens are added to the job's usage."""
        text = Cumulative()
        tokens = pieces = 0
        async with aclosing(self._worker.pieces(job.address, asked)) as raws:
            async for raw in raws:
                delta = text.feed(raw)
                pieces += 1
                tokens = pieces if delta.completion_tokens is None else delta.completion_tokens
                if delta.text or delta.finish_reason:
                    yield delta
        if not text.finished:
            raise CutOff("the worker's stream ended without a finish_reason")
        job.usage.completion_tokens += tokens

    async def _embed(self, address: str, fields: dict[str, Any]) -> dict[str, Any]:
        texts = params.texts(fields, "input")
        as_text = fields.get("encoding_format") == "base64"
        found: list[Any] = []
        tokens = 0
        for start in range(0, len(texts), EMBEDDING_BATCH):
            batch = texts[start : start + EMBEDDING_BATCH]
            question = {"model": fields["model"], "input": batch}
            said = await self._worker.call(address, "/worker_get_embeddings", question)
            vectors = said.get("embedding")
            if not isinstance(vectors, list) or len(vectors) != len(batch):
                raise BadAnswer("the worker sent another number of vectors than it was asked for")
            found += [_base64(vector) if as_text else vector for vector in vectors]
            tokens += natural(said.get("token_num")) or 0
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": vector}
                for index, vector in enumerate(found)
            ],
            "model": fields["model"],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    def _shape(self, ability: Ability, fields: dict[str, Any]) -> Shape:
        return Shape(
            "chat" if ability == "chat" else "completions",
            fields["model"],
            int(self._clock.wall()),
            with_usage=params.wants_usage(fields),
        )


def _logprobs(fields: dict[str, Any]) -> int | None:
    if fields.get("logprobs") is None:
        return None
    if fields.get("stream"):
        raise BadRequest("A FastChat worker tells logprobs only without stream.", param="logprobs")
    return params.whole(fields, "logprobs", 0, 0, 20)


def _base64(vector: Any) -> str:
    """Little-endian 32-bit floats, as OpenAI encodes a vector."""
    try:
        return b64encode(pack(f"<{len(vector)}f", *vector)).decode()
    except (TypeError, OverflowError, StructError) as error:
        raise BadAnswer("the worker sent a vector that is none") from error
