"""How long somebody waits who joins while others are being answered.

Two ways of the same engine in one run: a prompt that is read while nobody else is there, and the
same while `company` streams go on. What the latter takes more is told in steps of that company.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.engine.subject import Clock, Subject
from server.core.settings import ModelSettings
from server.worker.asked import Ask, Prepared, Tokens
from server.worker.engines.transformers import TransformersEngine

PROMPTS: Final = (32, 128, 512)
"""Tokens of the newcomer's prompt."""
_AT_WORK: Final = 8
"""Tokens that each of the company has made before somebody joins,"""
_TOKENS: Final = 300
"""and the most of them."""
_COMPANY_PROMPT: Final = 16


@dataclass(frozen=True, slots=True)
class Late:
    """One newcomer. Times in seconds."""

    company: int
    prompt: int
    alone_s: float
    """To the first token, while nobody else was there."""
    first_s: float
    """The same in company."""
    step_s: float
    """Of the company while nobody joined."""

    @property
    def steps(self) -> float:
        """That it waited for others."""
        return (self.first_s - self.alone_s) / self.step_s


def join_late(subject: Subject, company: int, rounds: int) -> list[Late]:
    settings = ModelSettings(
        name="benchmark", path=str(subject.folder), device="cpu", slots=company + 1
    )
    engine = TransformersEngine(settings, subject.model, subject.tokenizer)
    try:
        seen = [
            asyncio.run(_Visit(engine, subject, company).of(prompt))
            for _ in range(rounds)
            for prompt in PROMPTS
        ]
    finally:
        engine.close()
    return seen


def table(seen: Sequence[Late]) -> str:
    lines = [
        "late joiner: company  prompt  alone, ms  in company, ms  a step, ms  steps waited for"
    ]
    for company, prompt in dict.fromkeys((late.company, late.prompt) for late in seen):
        some = [late for late in seen if (late.company, late.prompt) == (company, prompt)]
        alone_ms = 1000 * median(one.alone_s for one in some)
        first_ms = 1000 * median(one.first_s for one in some)
        step_ms = 1000 * median(one.step_s for one in some)
        lines.append(
            f"{company:20} {prompt:7} {alone_ms:10.1f} {first_ms:15.1f} {step_ms:11.1f} "
            f"{waited(some):13.1f}"
        )
    return "\n".join(lines)


def waited(seen: Sequence[Late]) -> float:
    """Steps of others, before the first token."""
    return median(late.steps for late in seen)


class _Visit:
    def __init__(self, engine: TransformersEngine, subject: Subject, company: int) -> None:
        self._engine = engine
        self._company = company
        self._vocabulary = len(subject.tokenizer)
        self._ask = Ask(
            max_tokens=_TOKENS,
            temperature=0.0,
            repetition_penalty=1.0,
            logit_bias=dict.fromkeys(subject.ends, -100.0),
        )
        self._made = [0] * company
        self._times_s: list[float] = []
        self._at_work = asyncio.Event()

    async def of(self, prompt: int) -> Late:
        self._engine.forget()
        newcomer = await self._prepare(prompt, seed=self._company + 1)
        await self._first(newcomer)  # what went before is cleared away meanwhile
        self._engine.forget()
        alone_s = await self._first(newcomer)
        self._engine.forget()
        others = [
            asyncio.create_task(self._go_on(number, await self._prepare(_COMPANY_PROMPT, number)))
            for number in range(self._company)
        ]
        await self._at_work.wait()
        steps_s = [b - a for a, b in zip(self._times_s, self._times_s[1:], strict=False)]
        first_s = await self._first(newcomer)
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        return Late(self._company, prompt, alone_s, first_s, median(steps_s[-_AT_WORK:]))

    async def _prepare(self, tokens: int, seed: int) -> Prepared:
        """Of different texts, none the beginning of another one."""
        ids = tuple((seed * 7919 + place * 31) % self._vocabulary for place in range(tokens))
        return await self._engine.prepare(Tokens(ids))

    async def _first(self, prepared: Prepared) -> float:
        clock = Clock()
        async with aclosing(self._engine.generate(prepared, self._ask)) as deltas:
            async for _ in deltas:
                return clock.now_s()
        raise RuntimeError("it ended without a token")

    async def _go_on(self, number: int, prepared: Prepared) -> None:
        clock = Clock()
        async for delta in self._engine.generate(prepared, self._ask):
            self._made[number] = delta.tokens
            if number == 0:
                self._times_s.append(clock.now_s())
            if min(self._made) >= _AT_WORK and len(self._times_s) > _AT_WORK:
                self._at_work.set()
