"""The echo engine with a thread that makes its tokens, as the engines with a model have."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterator

from server.core.settings import ModelSettings
from server.worker.asked import Ask, Delta, Prepared
from server.worker.engine import Engine, Say
from server.worker.engines.echo import EchoEngine
from server.worker.stepper import Stepper

_WORK = bytes(100_000)
"""Hashing it takes a moment outside of Python, like a forward pass."""


def load_stepped(settings: ModelSettings, say: Say) -> Engine:
    return SteppedEcho()


class SteppedEcho(EchoEngine):
    def __init__(self) -> None:
        super().__init__()
        self._stepper: Stepper[Delta] = Stepper("stepped echo")

    @property
    def tokens_after_cancel(self) -> int:  # type: ignore[override]
        return self._stepper.steps_after_cancel

    async def generate(self, prepared: Prepared, ask: Ask) -> AsyncGenerator[Delta, None]:
        words = self._words(prepared.text.split(), ask)
        results = self._stepper.run(words, ask.lane, ask.customer)
        try:
            async for delta in results:
                yield delta
        finally:
            await results.aclose()

    def close(self) -> None:
        self._stepper.close()

    def _words(self, words: list[str], ask: Ask) -> Iterator[Delta]:
        for count, word in enumerate(words[: ask.max_tokens], 1):
            hashlib.sha256(_WORK).digest()
            self.generated += 1
            yield Delta(f"{word} ", count)
        yield Delta("", min(len(words), ask.max_tokens), "stop")
