"""One way to generate, and ours: an engine that all streams ask at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmarks.engine.subject import Clock, Run, Subject
from server.worker.asked import Ask, Text
from server.worker.engines.transformers import TransformersEngine

if TYPE_CHECKING:
    from server.worker.engines.llama_cpp import LlamaCppEngine
    from server.worker.engines.vllm import VllmEngine

Way = Callable[[int, int], Run]
"""Asked for so many streams of so many tokens each."""


class Unavailable(Exception):
    """Why a way cannot be gone here."""


def of_engine(engine: TransformersEngine | LlamaCppEngine | VllmEngine, subject: Subject) -> Way:
    bias = dict.fromkeys(subject.ends, -100.0)

    async def one(text: str, tokens: int, clock: Clock, firsts_s: list[float]) -> None:
        prepared = await engine.prepare(Text(text))
        ask = Ask(max_tokens=tokens, temperature=0.0, repetition_penalty=1.0, logit_bias=bias)
        made = 0
        async for delta in engine.generate(prepared, ask):
            if not made:
                firsts_s.append(clock.now_s())
            made = delta.tokens
        if made != tokens:
            raise RuntimeError(f"{made} tokens and not {tokens}")

    async def all_of(streams: int, tokens: int) -> Run:
        clock, firsts_s = Clock(), list[float]()
        texts = subject.prompts(streams)
        await asyncio.gather(*(one(text, tokens, clock, firsts_s) for text in texts))
        return clock.run(streams * tokens, firsts_s)

    def way(streams: int, tokens: int) -> Run:
        engine.forget()  # what was read in the last round
        return asyncio.run(all_of(streams, tokens))

    return way
