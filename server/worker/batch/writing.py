"""What engines have in common that write with a tokenizer of transformers' kind, whatever runs the
model: prompts, forms, how to go on from a text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from server.core.settings import ModelSettings
from server.worker.asked import Ask, Form, Prepared, Prompt
from server.worker.batch.decoding import decoder_of, decoder_showing, marks_of
from server.worker.batch.sampling import Sampling
from server.worker.batch.telling import Telling
from server.worker.engine import Engine, Style
from server.worker.forms.grammar import Grammars
from server.worker.prompts.conversation import conversation_of, style_of
from server.worker.prompts.tokenizing import Prompter, TokenPrompt


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


class WritingEngine(Engine):
    def __init__(
        self,
        settings: ModelSettings,
        words: Vocabulary,
        recommended: Sampling,
        grammars: Grammars,
    ) -> None:
        """`recommended`: by the model's authors."""
        self._words = words
        self._recommended = recommended
        conversation = conversation_of(settings, words.tokenizer.chat_template)
        self._prompter = Prompter(words.tokenizer, conversation, words.ends)
        self._decoder = decoder_of(words.tokenizer)
        self._style = style_of(settings, conversation, self._prompter, words.ends)
        self.grammars = grammars

    async def prepare(self, prompt: Prompt) -> Prepared:
        inner = await asyncio.to_thread(self._prompter.prepare, prompt)
        return Prepared(len(inner.ids), inner.text, inner, self._prompter.call_style(prompt))

    def token_ids(self, prepared: Prepared) -> tuple[int, ...]:
        assert isinstance(prepared.inner, TokenPrompt)
        return prepared.inner.ids

    async def learn(self, form: Form) -> None:
        await self.grammars.compile(form)

    def style(self) -> Style | None:
        return self._style

    def _telling(self, prepared: Prepared, ask: Ask, ends: frozenset[int]) -> Telling:
        """With the marks that calls are written with, and those of thoughts."""
        assert isinstance(prepared.inner, TokenPrompt)
        shown = marks_of(prepared.calls, ask.marks, self._prompter.specials)
        decode = self._decoder if not shown else decoder_showing(self._words.tokenizer, shown)
        return Telling(prepared.inner, ask, ends, decode)

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
