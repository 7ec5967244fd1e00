"""Any chat model in a GGUF file, by llama.cpp: on a CPU, or on what it was built for.

The same loop as for transformers: one batch for all requests, which anybody joins and leaves at
any token, in one thread. Needs the extra `llama_cpp`, which compiles llama.cpp.

options:
    file           which file of a folder or hub repository (the only one)
    n_gpu_layers   so many layers on GPUs; -1: all (all where there is one and `device` allows it)
    kv_tokens      tokens of all texts together that are remembered (`slots` times the context,
                   or what 0.6 of the free memory holds)
"""

from __future__ import annotations

import logging
from contextlib import suppress
from types import SimpleNamespace
from typing import Final

import llama_cpp as lib
import torch

from server.core.errors import BadRequest, StartError
from server.core.memory.need import TEXTS_SHARE
from server.core.memory.room import ram
from server.core.settings import ModelSettings
from server.wire.process import Report
from server.worker.batch.engine import BatchedEngine, Runner
from server.worker.batch.sampling import Sampling
from server.worker.batch.writing import Vocabulary
from server.worker.engine import Say
from server.worker.forms.grammar import Grammars
from server.worker.gguf.files import find_gguf
from server.worker.gguf.llama import Context, Model
from server.worker.gguf.places import Places, Rows
from server.worker.gguf.words import Words, spell
from server.worker.weights.context import check_context
from server.worker.weights.files import reason
from server.worker.weights.room import check_room

log = logging.getLogger(__name__)

PREFILL_TOKENS: Final = 512
"""Of a prompt, read in one step, which everybody else waits for,"""
CPU_PREFILL_TOKENS: Final = 64
"""and on a CPU."""
_TEXTS: Final = 32
"""At the same time, at least; those that were answered and are still remembered count too."""
_LEAST_TOKENS: Final = 256
_CPU: Final = torch.device("cpu")


def load(settings: ModelSettings, say: Say) -> LlamaCppEngine:
    file = find_gguf(settings, say)
    threads = settings.threads or torch.get_num_threads()
    torch.set_num_threads(
        1
    )  # what is left to torch here is small, and its threads would wait busily
    layers = _gpu_layers(settings)
    if (
        not layers
    ):  # of a GPU's memory llama.cpp tells nothing, but it says when there is too little
        check_room(settings, file, "cpu")
    say(Report(state="loading", detail=f"weights, {file.stat().st_size / 1e6:.0f} MB, {file.name}"))
    try:
        free = ram().free  # the file is read into memory that counts as free still
        model = Model(file, gpu_layers=layers)
        free -= model.bytes
        words = Words(model)
        say(Report(state="loading", detail="first step"))
        most = free if not layers else None
        engine = LlamaCppEngine(settings, model, words, threads=threads, free=most)
        say(Report(state="loading", detail="forms"))
        with suppress(BadRequest):  # a vocabulary that knows none: whoever asks for one is told
            engine.grammars.load()
        return engine
    except StartError as error:
        raise StartError(
            f"model {settings.name!r} cannot be loaded from {file}: {error}"
        ) from error
    except Exception as error:  # files of strangers fail in strange ways
        raise StartError(
            f"model {settings.name!r} cannot be loaded from {file}: {reason(error)}"
        ) from error


class LlamaCppEngine(BatchedEngine):
    abilities = ("chat", "completions")

    def __init__(
        self, settings: ModelSettings, model: Model, words: Words, *, threads: int, free: int | None
    ) -> None:
        """`free`: bytes for what it remembers; None: it is on a GPU, whose driver knows."""
        gpu = free is None
        kind = "float16" if settings.dtype == "auto" else settings.dtype
        wanted, tokens = _room(settings, model, kind, free)
        self.context_length: int = wanted
        texts = min(max(_TEXTS, 4 * settings.slots), lib.llama_max_parallel_sequences() - 1)
        prefill = PREFILL_TOKENS if gpu else CPU_PREFILL_TOKENS
        context = Context(
            model,
            cells=tokens,
            texts=texts,
            batch=prefill,
            threads=threads,
            kind=kind,
            gpu=gpu,
        )
        self._places = Places(context, texts=texts, tokens=tokens, keeps=model.remembers_tokens)
        rows = Rows(self._places)
        self._try()
        super().__init__(
            settings,
            Vocabulary(words, words.ends, len(words), words.bytes_of),
            Runner(rows, self._places.read, rows.begin, prefill, _CPU),
            _recommended(model),
            Grammars(words, len(words), words.ends, spell),
        )

    def forget(self) -> None:
        """All that is remembered of texts, while nobody is being answered."""
        self.between_steps(self._places.forget)

    def _try(self) -> None:
        """Raises `StartError` for a model that works with nothing."""
        scores, place = self._places.read((0,), None)
        self._places.end(place, (), "")
        if not bool(torch.isfinite(scores).all()):
            raise StartError("its weights are broken, the scores are not numbers")


def _recommended(model: Model) -> Sampling:
    """What the file says of how to go on from a text."""

    def said(name: str, otherwise: float) -> float:
        number = model.number(f"general.sampling.{name}")
        return otherwise if number is None else number

    return Sampling(
        temperature=said("temp", 1.0),
        top_p=said("top_p", 1.0),
        top_k=int(said("top_k", 0)),
        repetition_penalty=said("penalty_repeat", 1.0),
    )


def _gpu_layers(settings: ModelSettings) -> int:
    """Raises `StartError` for a device that this llama.cpp was not built for."""
    if settings.memory_per_gpu is not None:
        raise StartError(
            f"model {settings.name!r}: memory_per_gpu has no effect on the engine llama_cpp; "
            "say options.n_gpu_layers and options.kv_tokens instead"
        )
    able = lib.llama_supports_gpu_offload()
    if settings.device in ("cuda", "mps") and not able:
        raise StartError(
            f"model {settings.name!r}: device {settings.device!r} is not here: this "
            "llama-cpp-python was built for the CPU alone"
        )
    if settings.device == "cpu" or not able:
        return 0
    return int(settings.options.get("n_gpu_layers", -1))


def _room(settings: ModelSettings, model: Model, kind: str, free: int | None) -> tuple[int, int]:
    """Tokens of one text at most, and of all together. Raises `StartError`."""
    architecture = model.said("general.architecture")
    scaling = model.said(f"{architecture}.rope.scaling.type") or "default"
    check_context(
        settings,
        SimpleNamespace(
            max_position_embeddings=model.context_length, rope_parameters={"rope_type": scaling}
        ),
    )
    wanted = settings.context_length or model.context_length
    said = settings.options.get("kv_tokens")
    tokens = settings.slots * wanted if said is None else int(said)
    if free is not None:
        most = max(0, free) / max(model.bytes_per_token(kind), 1)
        tokens = min(tokens, int(most if said is not None else TEXTS_SHARE * most))
    if tokens < max(_LEAST_TOKENS, settings.context_length or 0, int(said or 0)):
        raise StartError(
            f"there is room for {tokens} tokens, which is too little; say another "
            "context_length or options.kv_tokens"
        )
    if tokens < wanted:
        log.warning(
            "the context is shorter than the model's, for want of memory",
            extra={"model": settings.name, "context_length": tokens, "own": wanted},
        )
    return min(wanted, tokens), tokens
