"""The same weights by llama.cpp: our engine over it, and its own Python binding.

Only where the extra `llama_cpp` is installed, and for models that `training` can write as GGUF.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.engine.subject import Clock, Run, Subject
from benchmarks.engine.way import Unavailable, Way, of_engine
from server.core.settings import ModelSettings


def open_ours_by_llama(subject: Subject) -> Way:
    threads = torch.get_num_threads()
    with _gguf(subject) as file:
        from server.worker.engines.llama_cpp import load

        settings = ModelSettings(
            name="benchmark", path=str(file), device="cpu", slots=64, threads=threads
        )
        try:
            return of_engine(load(settings, lambda _: None), subject)
        finally:
            torch.set_num_threads(threads)  # it takes one, but the other ways want them all


def open_llama(subject: Subject) -> Way:
    """As its users have it: one stream at a time, for it knows no batch of several."""
    with _gguf(subject) as file:
        from llama_cpp import Llama

        threads = torch.get_num_threads()
        model = Llama(
            str(file), n_ctx=2048, n_threads=threads, n_threads_batch=threads, verbose=False
        )
    bias = dict.fromkeys(subject.ends, -100.0)

    def way(streams: int, tokens: int) -> Run:
        clock, firsts_s = Clock(), []
        for text in subject.prompts(streams):
            model.reset()
            pieces = model.create_completion(
                subject.ids(text), max_tokens=tokens, temperature=0.0, repeat_penalty=1.0,
                logit_bias=bias, stream=True,
            )  # fmt: skip
            next(pieces)
            firsts_s.append(clock.now_s())
            for _ in pieces:
                pass
            made = model.n_tokens - len(subject.ids(text)) + 1
            if made != tokens:
                raise RuntimeError(f"{made} tokens and not {tokens}")
        return clock.run(streams * tokens, firsts_s)

    return way


@contextmanager
def _gguf(subject: Subject) -> Iterator[Path]:
    """The subject as a file. Raises `Unavailable`."""
    try:
        import llama_cpp  # noqa: F401

        from training.shortline_mini.to_gguf import write_gguf
    except ImportError as error:
        raise Unavailable(str(error)) from error
    with tempfile.TemporaryDirectory() as folder:
        try:
            file = write_gguf(subject.folder, Path(folder) / "subject.gguf")
        except KeyError as error:  # it has what no such model has
            raise Unavailable(f"training writes no GGUF of this model: {error}") from error
        yield file
