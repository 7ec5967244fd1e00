"""Conversations as tensors of similar length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from training.shortline_mini.conversations import Conversations, Message

IGNORED = -100
BATCH_TOKENS = 1536
POOL = 1024
"""Conversations that are sorted by length at a time."""
MAX_TOKENS = 1024
FIRST_WEIGHT, FIRST_TOKENS = 8.0, 5
"""The first tokens of an answer count more: they show which question was understood."""


@dataclass(frozen=True, slots=True)
class Batch:
    """All (conversations, tokens); `labels` is -100 where nothing is learnt."""

    tokens: Tensor
    labels: Tensor
    weights: Tensor
    """How much each label counts."""


@dataclass(frozen=True, slots=True)
class Example:
    tokens: list[int]
    labels: list[int]
    weights: list[float]


@dataclass(slots=True)
class Batches:
    """An endless source of batches."""

    conversations: Conversations
    tokenizer: PreTrainedTokenizerFast
    random: Random
    dropout: float = 0.05
    """The share of merges left out in what users say, so that words vary in their pieces."""
    shortened: float = 0.0
    """The share of conversations whose last answer is cut: its start shows what was understood."""
    answer_start_tokens: int = 7

    def __iter__(self) -> Iterator[Batch]:
        while True:
            pool = [self._example(self.conversations.take()) for _ in range(POOL)]
            pool = [example for example in pool if len(example.tokens) <= MAX_TOKENS]
            pool.sort(key=lambda example: len(example.tokens))
            batches = list(_packed(pool))
            self.random.shuffle(batches)
            yield from batches

    def _example(self, messages: list[Message]) -> Example:
        tokens: list[int] = []
        labels: list[int] = []
        weights: list[float] = []
        for message in messages:
            start, said = self._pieces(message)
            tokens += start + said
            learnt = message.role == "assistant"
            labels += [IGNORED] * len(start) + (said if learnt else [IGNORED] * len(said))
            weights += [1.0] * len(start) + _weights(len(said))
        if self.random.random() < self.shortened:
            cut = max(len(said) - self.answer_start_tokens, 0)
            kept = len(tokens) - cut
            tokens, labels, weights = tokens[:kept], labels[:kept], weights[:kept]
        return Example(tokens, labels, weights)

    def _pieces(self, message: Message) -> tuple[list[int], list[int]]:
        model = self.tokenizer.backend_tokenizer.model
        model.dropout = self.dropout if message.role != "assistant" else None
        said = self.tokenizer.encode(message.content) if message.content else []
        model.dropout = None
        start = self.tokenizer.encode(f"<|{message.role}|>")
        return start, [*said, int(self.tokenizer.eos_token_id)]


def _weights(length: int) -> list[float]:
    first = min(length, FIRST_TOKENS)
    return [FIRST_WEIGHT] * first + [1.0] * (length - first)


def _packed(pool: list[Example]) -> Iterator[Batch]:
    group: list[Example] = []
    for example in pool:
        if group and len(example.tokens) * (len(group) + 1) > BATCH_TOKENS:
            yield _batch(group)
            group = []
        group.append(example)
    if group:
        yield _batch(group)


def _batch(group: list[Example]) -> Batch:
    """Padded at the right, where a causal model does not look."""
    width = max(len(example.tokens) for example in group)

    def padded(rows: Sequence[Sequence[float]], filling: float) -> Tensor:
        return torch.tensor([[*row, *[filling] * (width - len(row))] for row in rows])

    return Batch(
        tokens=padded([example.tokens for example in group], 0),
        labels=padded([example.labels for example in group], IGNORED),
        weights=padded([example.weights for example in group], 0.0),
    )
