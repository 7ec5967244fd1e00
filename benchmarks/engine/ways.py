"""The ways to generate: ours, and what a user could take instead, all on the same weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from transformers import GenerationConfig

from benchmarks.engine.llama import open_llama, open_ours_by_llama
from benchmarks.engine.subject import Clock, Run, Subject
from benchmarks.engine.vllm import open_ours_by_vllm, open_vllm
from benchmarks.engine.way import Unavailable, Way, of_engine
from server.core.settings import ModelSettings
from server.worker.engines.transformers import TransformersEngine

OURS: Final = "shortline"
STATIC: Final = "generate, one batch"
ONE: Final = "generate, one at a time"
OURS_BY_LLAMA: Final = "shortline, llama.cpp"
LLAMA: Final = "llama-cpp-python"
OURS_BY_VLLM: Final = "shortline, vLLM"
VLLM: Final = "vLLM, offline"


def open_ours(subject: Subject) -> Way:
    settings = ModelSettings(name="benchmark", path=str(subject.folder), device="cpu", slots=64)
    return of_engine(TransformersEngine(settings, subject.model, subject.tokenizer), subject)


def open_static(subject: Subject) -> Way:
    """All prompts at once, padded; nothing is streamed, nobody can come later."""

    def way(streams: int, tokens: int) -> Run:
        clock = Clock()
        ids = [subject.ids(text) for text in subject.prompts(streams)]
        widest = max(map(len, ids))
        padded = torch.tensor([[0] * (widest - len(one)) + one for one in ids])
        mask = torch.tensor([[0] * (widest - len(one)) + [1] * len(one) for one in ids])
        first = _generate(subject, padded, mask, tokens, clock)
        return clock.run(streams * tokens, [first] * streams)

    return way


def open_one_at_a_time(subject: Subject) -> Way:
    def way(streams: int, tokens: int) -> Run:
        clock, firsts_s = Clock(), []
        for text in subject.prompts(streams):
            ids = torch.tensor([subject.ids(text)])
            firsts_s.append(_generate(subject, ids, torch.ones_like(ids), tokens, clock))
        return clock.run(streams * tokens, firsts_s)

    return way


def _generate(subject: Subject, ids: Any, mask: Any, tokens: int, clock: Clock) -> float:
    """When the first token was there."""
    firsts_s: list[float] = []

    def seen(ids: Any, scores: Any, **_: Any) -> Any:
        if not firsts_s:
            firsts_s.append(clock.now_s())
        return torch.zeros(len(ids), dtype=torch.bool)

    subject.model.generate(
        ids,
        attention_mask=mask,
        generation_config=_config(subject, tokens),
        stopping_criteria=[seen],
    )
    return firsts_s[0]


def open_continuous(subject: Subject) -> Way:
    """transformers' own batching; it is warmed up before, as it wants to be."""

    def way(streams: int, tokens: int) -> Run:
        ids = [subject.ids(text) for text in subject.prompts(streams)]
        clock = Clock()
        config = _config(subject, tokens)
        done = subject.model.generate_batch(ids, generation_config=config, progress_bar=False)
        made = sum(len(one.generated_tokens) for one in done.values())
        return clock.run(made)

    try:
        if not way(1, 2).tokens:
            raise Unavailable("it made no tokens")
    except Exception as error:  # whatever it is, this way is closed
        raise Unavailable(f"{type(error).__name__}: {error}"[:200]) from error
    return way


def open_fastchat(subject: Subject) -> Way:
    """FastChat's worker, one stream at a time, as its decode loop is."""
    try:
        from fastchat.serve.inference import generate_stream
    except Exception as error:  # it asks for libraries that changed under it
        raise Unavailable(f"{type(error).__name__}: {error}"[:200]) from error

    def way(streams: int, tokens: int) -> Run:
        clock, firsts_s = Clock(), []
        made = 0
        for text in subject.prompts(streams):
            params = {"prompt": text, "temperature": 0.0, "max_new_tokens": tokens, "echo": False}
            pieces = generate_stream(subject.model, subject.tokenizer, params, "cpu", 4096, 1)
            said: list[Mapping[str, Any]] = [next(pieces)]
            firsts_s.append(clock.now_s())
            said += pieces
            made += said[-1]["usage"]["completion_tokens"]
        return clock.run(made, firsts_s)

    try:
        way(1, 2)
    except Exception as error:  # whatever it is, this way is closed
        raise Unavailable(f"{type(error).__name__}: {error}"[:200]) from error
    return way


def _config(subject: Subject, tokens: int) -> GenerationConfig:
    return GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        do_sample=False,
        eos_token_id=list(subject.ends),
        pad_token_id=0,
    )


WAYS: Final[Mapping[str, Callable[[Subject], Way]]] = {
    OURS: open_ours,
    STATIC: open_static,
    ONE: open_one_at_a_time,
    "generate_batch (continuous)": open_continuous,
    "FastChat's generate_stream": open_fastchat,
    OURS_BY_LLAMA: open_ours_by_llama,
    LLAMA: open_llama,
    OURS_BY_VLLM: open_ours_by_vllm,
    VLLM: open_vllm,
}
