from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from server.worker.asked import Ask, Delta, Prepared, Scored
from server.worker.engine import Engine
from server.worker.local.answer import Answer, choices_of
from server.worker.local.forms import CompletionForm

SCORED = Ask(max_tokens=9, logprobs=0)
A, B = Prepared(3, "aaa", None), Prepared(5, "bbbbb", None)


class Scripted(Engine):
    """Says one word after another, each as likely as it is told."""

    def __init__(self, *logprobs: float, cached: int = 0) -> None:
        self._logprobs = iter(logprobs)
        self._cached = cached
        self.asked: list[Ask] = []

    async def generate(self, prepared: Prepared, ask: Ask) -> AsyncGenerator[Delta, None]:
        self.asked.append(ask)
        logprob = next(self._logprobs)
        word = f"{prepared.text[0]}{logprob}"
        heard: Any = (None,) * prepared.tokens if ask.score_prompt else ()
        yield Delta(word, 1, None, (Scored(0, word.encode(), logprob),), heard, self._cached)
        yield Delta("", 2, "stop", (), (), self._cached)


def answer(engine: Engine, n: int, ask: Ask = SCORED, **more: Any) -> Answer:
    best = more.pop("best", None)
    choices = choices_of([A, B], [ask, ask], n, **more)
    return Answer(CompletionForm(), engine, choices, "id", 1, "m", best=best)


async def test_the_likeliest_of_each_prompt_are_told_the_best_first() -> None:
    engine = Scripted(-3.0, -1.0, -2.0, -1.5, -9.0, -0.5)
    made = answer(engine, 3, best=(3, 2))
    choices = (await made.whole())["choices"]
    assert [(c["index"], c["text"]) for c in choices] == [
        (0, "a-1.0"), (1, "a-2.0"), (2, "b-0.5"), (3, "b-1.5")
    ]  # fmt: skip
    assert made.usage.completion_tokens == 12, "those that are not told were made too"
    assert made.usage.prompt_tokens == 8


async def test_a_prompts_known_tokens_are_counted_once() -> None:
    made = answer(Scripted(*[0.0] * 6, cached=2), 3)
    await made.whole()
    assert made.usage.cached_tokens == 4


async def test_one_that_is_silent_asks_no_more_than_it_must() -> None:
    engine = Scripted(0.0, 0.0)
    made = answer(engine, 1, echo=True, silent=True)
    assert [c["text"] for c in (await made.whole())["choices"]] == ["aaa", "bbbbb"]
    assert (engine.asked, made.usage.completion_tokens) == ([], 0)
    scoring = Ask(max_tokens=1, logprobs=0, score_prompt=True)
    made = answer(engine, 1, scoring, echo=True, silent=True)
    assert [c["finish_reason"] for c in (await made.whole())["choices"]] == ["length"] * 2
    assert (engine.asked, made.usage.completion_tokens) == ([scoring, scoring], 0)
