"""Answers that go on together: all in one forward pass, or each in its own where that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import torch

from server.worker.adapters.rows import Use
from server.worker.batch.answering import Forward, GeneratedAnswer, Next
from server.worker.batch.prefixes import Part, Prefixes, Whose
from server.worker.batch.rows import Batch, cache_of, memory_of
from server.worker.weights.device import free_bytes

MEMORY_SHARE: Final = 0.6
"""Of the memory that is free once the model is loaded, for the texts that are being answered."""
PREFIX_BYTES: Final = 256 * 1024 * 1024
"""Of what is remembered of texts that nobody is answering any more."""


class Together:
    """One pass for all of them (`worker.batcher.Group`)."""

    def __init__(self, model: Any, use: Use) -> None:
        self._use = use
        self._batch = Batch(model, MEMORY_SHARE * free_bytes(model.device))
        self._rows: list[GeneratedAnswer] = []
        self.prefixes: Prefixes | None = Prefixes(PREFIX_BYTES, self._live)

    def begin(self, ids: tuple[int, ...], whose: Whose) -> tuple[int, Any]:
        """As `_answering.Begin`."""
        assert self.prefixes is not None
        length, memory = self.prefixes.find(ids, whose)
        return length, None if memory is None else cache_of(memory)

    def join(self, answer: GeneratedAnswer) -> None:
        self._batch.add(memory_of(answer.cache))
        answer.cache = None
        self._rows.append(answer)

    def leave(self, answer: GeneratedAnswer) -> None:
        row = self._rows.index(answer)
        answer.cache = cache_of(self._batch.memory_of(row))
        self._remove(row)

    def step(self) -> list[tuple[GeneratedAnswer, Next]]:
        self._use([answer.adapter for answer in self._rows])
        scores = self._batch.step([answer.token for answer in self._rows])
        nexts = map(Next, scores, scores.argmax(-1).tolist())
        return list(zip(self._rows, nexts, strict=True))

    def end(self, answer: GeneratedAnswer) -> None:
        try:
            self._remember(answer)
        except torch.OutOfMemoryError:  # what is remembered is the first that can be done without
            assert self.prefixes is not None
            self.prefixes.clear()
        if answer in self._rows:
            self._remove(self._rows.index(answer))
        answer.cache = None

    def _remember(self, answer: GeneratedAnswer) -> None:
        assert self.prefixes is not None
        if answer in self._rows:
            memory = self._batch.memory_of(self._rows.index(answer))
            self.prefixes.keep(answer.ids, memory, answer.whose)
        elif answer.cache is not None:
            memory = memory_of(answer.cache)
            read = answer.ids[: memory[0][0].shape[2]]
            self.prefixes.keep(read, memory, answer.whose)

    def _live(self, whose: Whose) -> Iterator[tuple[tuple[int, ...], Part]]:
        for row, answer in enumerate(self._rows):
            if answer.whose == whose:
                yield answer.ids, partial(self._batch.first_of, row)

    def _remove(self, row: int) -> None:
        self._batch.remove(row)
        self._rows[row] = self._rows[-1]
        self._rows.pop()


class Apart:
    """One pass for each: for models whose memory is more than what they have read, side by side."""

    prefixes = None
    begin = None

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._answers: list[GeneratedAnswer] = []

    def join(self, answer: GeneratedAnswer) -> None:
        self._answers.append(answer)

    def leave(self, answer: GeneratedAnswer) -> None:
        self._answers.remove(answer)

    def step(self) -> list[tuple[GeneratedAnswer, Next]]:
        scored = []
        for answer in self._answers:
            scores, answer.cache = self._forward((answer.token,), answer.cache, answer.adapter)
            scored.append((answer, Next(scores[-1], int(scores[-1].argmax()))))
        return scored

    def end(self, answer: GeneratedAnswer) -> None:
        answer.cache = None
        if answer in self._answers:
            self._answers.remove(answer)
