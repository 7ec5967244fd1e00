"""An engine whose answers all go on in one batch: what does not depend on what runs the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from server.core.settings import ModelSettings
from server.worker.batch.answering import Begin, Forward, GeneratedAnswer
from server.worker.batch.decoding import decoder_of, decoder_showing, marks_of
from server.worker.batch.sampling import Sampler, Sampling
from server.worker.batch.scores import Scorer
from server.worker.batcher import Batcher, Group
from server.worker.calls import CallStyle
from server.worker.engine import Ask, Delta, Engine, Form, Prepared, Prompt, Style
from server.worker.forms.grammar import Constraint, Grammars
from server.worker.prompts.conversation import conversation_of, style_of
from server.worker.prompts.tokenizing import Prompter, TokenPrompt
from server.worker.text.detokeniser import Decode
from server.worker.text.thinking import Marks


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Of a model."""

    tokenizer: Any
    ends: frozenset[int]
    """Tokens that end an answer."""
    size: int
    """Tokens that the model has scores for."""
    bytes_of: Callable[[int], bytes]
    """What a token adds to a text."""


@dataclass(frozen=True, slots=True)
class Runner:
    """What runs the model, in the batcher's thread."""

    group: Group[GeneratedAnswer, Any]
    forward: Forward
    begin: Begin | None
    prefill: int
    """Tokens of a prompt that are read in one step."""
    device: torch.device
    """Where scores are."""


class BatchedEngine(Engine):
    def __init__(
        self,
        settings: ModelSettings,
        words: Vocabulary,
        runner: Runner,
        recommended: Sampling,
        grammars: Grammars,
    ) -> None:
        """`recommended`: by the model's authors."""
        self._words = words
        self._runner = runner
        self._recommended = recommended
        conversation = conversation_of(settings, words.tokenizer.chat_template)
        self._prompter = Prompter(words.tokenizer, conversation, words.ends)
        self._scorer = Scorer(words.bytes_of)
        self._decoder = decoder_of(words.tokenizer)
        self._style = style_of(settings, conversation, self._prompter, words.ends)
        self.grammars = grammars
        self._batcher: Batcher[GeneratedAnswer, Any, Delta] = Batcher(
            f"engine {settings.name}", runner.group, failed=lambda why: self.when_failed(why)
        )

    @property
    def tokens_after_cancel(self) -> int:  # type: ignore[override]
        return self._batcher.steps_after_cancel

    async def prepare(self, prompt: Prompt) -> Prepared:
        inner = await asyncio.to_thread(self._prompter.prepare, prompt)
        return Prepared(len(inner.ids), inner.text, inner, self._prompter.call_style(prompt))

    def token_ids(self, prepared: Prepared) -> tuple[int, ...]:
        assert isinstance(prepared.inner, TokenPrompt)
        return prepared.inner.ids

    async def learn(self, form: Form) -> None:
        await self.grammars.compile(form)

    async def generate(self, prepared: Prepared, ask: Ask) -> AsyncGenerator[Delta, None]:
        assert isinstance(prepared.inner, TokenPrompt)
        form = ask.form
        constraint = None if form is None else (await self.grammars.compile(form)).begin()
        decode = self._decoder_for(prepared.calls, ask.marks)
        answer = self._answer(prepared.inner, ask, constraint, decode)
        pieces = self._batcher.run(answer, ask.lane, ask.customer)
        told = 0
        try:
            async for delta in pieces:
                self.generated += delta.tokens - told
                told = delta.tokens
                yield delta
        finally:
            await pieces.aclose()

    def style(self) -> Style | None:
        return self._style

    def close(self) -> None:
        self._batcher.close()

    def between_steps(self, chore: Callable[[], None]) -> None:
        """What touches what the model remembers; it is done before anybody's next step."""
        self._batcher.between_steps(chore)

    def _answer(
        self, prompt: TokenPrompt, ask: Ask, constraint: Constraint | None, decode: Decode
    ) -> GeneratedAnswer:
        runner = self._runner
        return GeneratedAnswer(
            prompt,
            ask,
            Sampler(self._sampling(ask), prompt.ids, self._words.size, runner.device),
            self._ends_of(prompt, ask),
            decode,
            self._scorer,
            runner.forward,
            runner.prefill,
            runner.begin,
            constraint,
        )

    def _decoder_for(self, calls: CallStyle | None, thought: Marks | None) -> Decode:
        """One that shows the marks that calls are written with, and those of thoughts."""
        shown = marks_of(calls, thought, self._prompter.specials)
        return self._decoder if not shown else decoder_showing(self._words.tokenizer, shown)

    def _sampling(self, ask: Ask) -> Sampling:
        wished: dict[str, Any] = {
            "temperature": ask.temperature,
            "top_p": ask.top_p,
            "top_k": ask.top_k,
            "repetition_penalty": ask.repetition_penalty,
        }
        return replace(
            self._recommended,
            frequency_penalty=ask.frequency_penalty,
            presence_penalty=ask.presence_penalty,
            logit_bias=ask.logit_bias,
            seed=ask.seed,
            **{name: value for name, value in wished.items() if value is not None},
        )

    def _ends_of(self, prompt: TokenPrompt, ask: Ask) -> frozenset[int]:
        """Tokens that end the answer; a stop text that is a special token is never decoded."""
        named = [stop for stop in (*prompt.stop, *ask.stop) if stop in self._prompter.specials]
        ids = self._words.tokenizer.convert_tokens_to_ids(named)
        return self._words.ends.union(prompt.stop_token_ids, ask.stop_token_ids, ids)
