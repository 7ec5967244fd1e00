"""An engine whose answers all go on in one batch: what does not depend on what runs the model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

import torch

from server.core.settings import ModelSettings
from server.worker.asked import Ask, Delta, Prepared
from server.worker.batch.answering import Begin, Forward, GeneratedAnswer
from server.worker.batch.sampling import Sampler, Sampling
from server.worker.batch.scores import Scorer
from server.worker.batch.writing import Vocabulary, WritingEngine
from server.worker.batcher import Batcher, Group
from server.worker.forms.grammar import Constraint, Grammars
from server.worker.prompts.tokenizing import TokenPrompt


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


class BatchedEngine(WritingEngine):
    def __init__(
        self,
        settings: ModelSettings,
        words: Vocabulary,
        runner: Runner,
        recommended: Sampling,
        grammars: Grammars,
    ) -> None:
        """`recommended`: by the model's authors."""
        super().__init__(settings, words, recommended, grammars)
        self._runner = runner
        self._scorer = Scorer(words.bytes_of)
        self._batcher: Batcher[GeneratedAnswer, Any, Delta] = Batcher(
            f"engine {settings.name}", runner.group, failed=lambda why: self.when_failed(why)
        )

    @property
    def tokens_after_cancel(self) -> int:  # type: ignore[override]
        return self._batcher.steps_after_cancel

    async def generate(self, prepared: Prepared, ask: Ask) -> AsyncGenerator[Delta, None]:
        form = ask.form
        constraint = None if form is None else (await self.grammars.compile(form)).begin()
        answer = self._answer(prepared, ask, constraint)
        pieces = self._batcher.run(answer, ask.lane, ask.customer)
        told = 0
        try:
            async for delta in pieces:
                self.generated += delta.tokens - told
                told = delta.tokens
                yield delta
        finally:
            await pieces.aclose()

    def close(self) -> None:
        self._batcher.close()

    def between_steps(self, chore: Callable[[], None]) -> None:
        """What touches what the model remembers; it is done before anybody's next step."""
        self._batcher.between_steps(chore)

    def _answer(
        self, prepared: Prepared, ask: Ask, constraint: Constraint | None
    ) -> GeneratedAnswer:
        runner, prompt = self._runner, prepared.inner
        assert isinstance(prompt, TokenPrompt)
        ends = self._ends_of(prompt, ask)
        return GeneratedAnswer(
            prompt,
            ask,
            Sampler(self._sampling(ask), prompt.ids, self._words.size, runner.device),
            ends,
            self._telling(prepared, ask, ends),
            self._scorer,
            runner.forward,
            runner.prefill,
            runner.begin,
            constraint,
        )
