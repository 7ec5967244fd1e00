"""From an engine's deltas to OpenAI's JSON: one `Form` for each endpoint, and one loop for both.

The choices of a request are made one after another: a request never takes more than its slot.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol

from server.worker.engine import Ask, Delta, Engine, FinishReason, Prepared
from server.worker.local.ask import for_choice

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer that is to be made. `ahead`: text in front of it, for `echo`."""

    index: int
    prepared: Prepared
    ask: Ask
    ahead: str = ""


def choices_of(
    prepared: Sequence[Prepared], asks: Sequence[Ask], n: int, *, echo: bool = False
) -> list[Choice]:
    """`n` choices of each prompt, numbered as OpenAI numbers them."""
    return [
        Choice(at * n + i, prompt, for_choice(ask, i), prompt.text if echo else "")
        for at, (prompt, ask) in enumerate(zip(prepared, asks, strict=True))
        for i in range(n)
    ]


@dataclass(slots=True)
class Usage:
    prompt_tokens: int
    completion_tokens: int = 0

    def json(self) -> Json:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


class Form(Protocol):
    """How one endpoint writes answers down."""

    stream_object: str
    whole_object: str

    def begin(self, index: int) -> Json | None:
        """The choice of a chunk that comes before the text, if there is one."""

    def piece(self, index: int, text: str, finish: FinishReason | None) -> Json:
        """The choice of a chunk."""

    def whole(self, index: int, text: str, finish: FinishReason | None) -> Json:
        """A choice that is complete."""


class ChatForm:
    stream_object = "chat.completion.chunk"
    whole_object = "chat.completion"

    def begin(self, index: int) -> Json:
        delta = {"role": "assistant", "content": "", "refusal": None}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def piece(self, index: int, text: str, finish: FinishReason | None) -> Json:
        delta = {"content": text} if text else {}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}

    def whole(self, index: int, text: str, finish: FinishReason | None) -> Json:
        message = {"role": "assistant", "content": text, "refusal": None}
        return {"index": index, "message": message, "logprobs": None, "finish_reason": finish}


class CompletionForm:
    stream_object = "text_completion"
    whole_object = "text_completion"

    def begin(self, index: int) -> None:
        return None

    def piece(self, index: int, text: str, finish: FinishReason | None) -> Json:
        return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}

    whole = piece


@dataclass(slots=True)
class Answer:
    """An answer in the making; use `chunks` or `whole`, once. `id` and `created` as OpenAI's."""

    form: Form
    engine: Engine
    choices: Sequence[Choice]
    id: str
    created: int
    model: str
    include_usage: bool = False
    usage: Usage = field(init=False)

    def __post_init__(self) -> None:
        prompts = {id(choice.prepared): choice.prepared.tokens for choice in self.choices}
        self.usage = Usage(sum(prompts.values()))

    async def chunks(self) -> AsyncGenerator[Json, None]:
        """What a stream is made of, without its end mark."""
        for choice in self.choices:
            async with aclosing(self._pieces(choice)) as pieces:
                first = True
                async for delta in pieces:
                    for part in self._parts(choice, delta, first=first):
                        yield self._chunk([part])
                    first = False
        if self.include_usage:
            yield self._chunk([]) | {"usage": self.usage.json()}

    async def whole(self) -> Json:
        done: list[Json] = []
        for choice in self.choices:
            texts = [choice.ahead]
            finish: FinishReason | None = None
            async with aclosing(self._pieces(choice)) as pieces:
                async for delta in pieces:
                    texts.append(delta.text)
                    finish = delta.finish
            done.append(self.form.whole(choice.index, "".join(texts), finish))
        return self._head(self.form.whole_object) | {"choices": done, "usage": self.usage.json()}

    def _parts(self, choice: Choice, delta: Delta, *, first: bool) -> Iterator[Json]:
        text = delta.text
        if first:
            begin = self.form.begin(choice.index)
            if begin is not None:
                yield begin
            text = choice.ahead + text
        if text:
            yield self.form.piece(choice.index, text, None)
        if delta.finish is not None:
            yield self.form.piece(choice.index, "", delta.finish)

    async def _pieces(self, choice: Choice) -> AsyncGenerator[Delta, None]:
        """The deltas of one choice, counted."""
        before = self.usage.completion_tokens
        async with aclosing(self.engine.generate(choice.prepared, choice.ask)) as deltas:
            async for delta in deltas:
                self.usage.completion_tokens = before + delta.tokens
                yield delta

    def _chunk(self, choices: list[Json]) -> Json:
        chunk = self._head(self.form.stream_object) | {"choices": choices}
        return chunk | {"usage": None} if self.include_usage else chunk

    def _head(self, kind: str) -> Json:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": None,
        }
