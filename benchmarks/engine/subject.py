"""What all ways are asked: the same model, prompts and number of tokens, without chance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

SENTENCE = "The quick brown fox jumps over the lazy dog, and then it goes home again. "


@dataclass(frozen=True, slots=True)
class Subject:
    folder: Path
    model: Any
    tokenizer: Any
    ends: tuple[int, ...]
    """End marks, which nobody may say: all answers have the same length."""

    @classmethod
    def load(cls, folder: Path, threads: int) -> Subject:
        torch.set_num_threads(threads)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        own = model.generation_config.eos_token_id
        ends = {*(own if isinstance(own, list) else [own]), tokenizer.eos_token_id}
        return cls(folder, model, tokenizer, tuple(end for end in ends if end is not None))

    def prompts(self, count: int) -> list[str]:
        """Of different lengths, none the beginning of another one."""
        return [f"{number}: " + SENTENCE * (1 + number % 4) for number in range(count)]

    def ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text)["input_ids"]
        return ids


@dataclass(slots=True)
class Run:
    """One way, once. Times in seconds."""

    tokens: int
    wall_s: float
    cpu_s: float
    firsts_s: Sequence[float] = field(default_factory=list)
    """From the beginning to the first token of each stream; none where nobody can tell."""


class Clock:
    """Of a run that begins now."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def now_s(self) -> float:
        return time.perf_counter() - self._wall

    def run(self, tokens: int, firsts_s: Sequence[float] = ()) -> Run:
        return Run(tokens, self.now_s(), time.process_time() - self._cpu, list(firsts_s))
