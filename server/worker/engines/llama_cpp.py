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

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import suppress
from types import SimpleNamespace
from typing import Final

import llama_cpp as lib
import psutil
import torch

from server.core.errors import BadRequest, RequestError, StartError
from server.core.settings import ModelSettings
from server.wire.process import Report
from server.worker.batcher import Batcher
from server.worker.calls import CallStyle
from server.worker.engine import Ask, Delta, Engine, Form, Prepared, Prompt, Say, Style
from server.worker.engines._answering import GeneratedAnswer, Next
from server.worker.engines._context import check_context
from server.worker.engines._conversation import conversation_of, style_of
from server.worker.engines._decoding import decoder_of, decoder_showing, marks_of
from server.worker.engines._gguf import find_gguf
from server.worker.engines._gguf_words import Words, spell
from server.worker.engines._grammar import Constraint, Grammars
from server.worker.engines._llama import Context, Model
from server.worker.engines._places import Places, Rows
from server.worker.engines._prompts import Prompter, TokenPrompt
from server.worker.engines._sampling import Sampler, Sampling
from server.worker.engines._scores import Scorer
from server.worker.engines._weights import reason
from server.worker.text.detokeniser import Decode
from server.worker.text.thinking import Marks

log = logging.getLogger(__name__)

PREFILL_TOKENS: Final = 512
"""Of a prompt, read in one step, which everybody else waits for,"""
CPU_PREFILL_TOKENS: Final = 64
"""and on a CPU."""
MEMORY_SHARE: Final = 0.6
"""Of the memory that is free once the model is loaded, for what it remembers."""
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
    say(Report(state="loading", detail=f"weights, {file.stat().st_size / 1e6:.0f} MB, {file.name}"))
    try:
        model = Model(file, gpu_layers=layers)
        words = Words(model)
        say(Report(state="loading", detail="first step"))
        engine = LlamaCppEngine(settings, model, words, threads=threads, gpu=layers != 0)
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


class LlamaCppEngine(Engine):
    abilities = ("chat", "completions")

    def __init__(
        self, settings: ModelSettings, model: Model, words: Words, *, threads: int, gpu: bool
    ) -> None:
        self._words = words
        self._defaults = _recommended(model)
        kind = "float16" if settings.dtype == "auto" else settings.dtype
        wanted, tokens = _room(settings, model, kind, gpu=gpu)
        self.context_length: int = wanted
        texts = min(max(_TEXTS, 4 * settings.slots), lib.llama_max_parallel_sequences() - 1)
        self._prefill = PREFILL_TOKENS if gpu else CPU_PREFILL_TOKENS
        context = Context(
            model,
            cells=tokens,
            texts=texts,
            batch=self._prefill,
            threads=threads,
            kind=kind,
            gpu=gpu,
        )
        self._places = Places(context, texts=texts, tokens=tokens, keeps=model.remembers_tokens)
        self._rows = Rows(self._places)
        self._try()
        conversation = conversation_of(settings, words.chat_template)
        self._prompter = Prompter(words, conversation, words.ends)
        self._decoder = decoder_of(words)
        self._scorer = Scorer(words.bytes_of)
        self._style = style_of(settings, conversation, self._prompter, words.ends)
        self.grammars = Grammars(words, len(words), words.ends, spell)
        self._batcher: Batcher[GeneratedAnswer, Next | RequestError, Delta] = Batcher(
            f"engine {settings.name}", self._rows
        )

    @property
    def tokens_after_cancel(self) -> int:  # type: ignore[override]
        return self._batcher.steps_after_cancel

    async def prepare(self, prompt: Prompt) -> Prepared:
        inner = await asyncio.to_thread(self._prompter.prepare, prompt)
        return Prepared(len(inner.ids), inner.text, inner, self._prompter.call_style(prompt))

    def token_ids(self, prepared: Prepared) -> tuple[int, ...]:
        assert isinstance(prepared.inner, TokenPrompt)
        return prepared.inner.ids

    async def generate(self, prepared: Prepared, ask: Ask) -> AsyncGenerator[Delta, None]:
        assert isinstance(prepared.inner, TokenPrompt)
        constraint = None if ask.form is None else await self._constraint(ask.form)
        decode = self._decoder_for(prepared.calls, ask.marks)
        answer = self._answer(prepared.inner, ask, constraint, decode)
        pieces = self._batcher.run(answer, ask.lane, ask.customer)
        told = 0
        try:
            async for delta in pieces:
                self.generated += delta.tokens - told
                told = delta.tokens
                yield delta
        finally:
            await pieces.aclose()

    def style(self) -> Style | None:
        return self._style

    def forget(self) -> None:
        """All that is remembered of texts, while nobody is being answered."""
        self._places.forget()

    def close(self) -> None:
        self._batcher.close()

    async def _constraint(self, form: Form) -> Constraint:
        return (await self.grammars.compile(form)).begin()

    def _answer(
        self, prompt: TokenPrompt, ask: Ask, constraint: Constraint | None, decode: Decode
    ) -> GeneratedAnswer:
        return GeneratedAnswer(
            prompt,
            ask,
            Sampler(self._sampling(ask), prompt.ids, len(self._words), _CPU),
            self._ends_of(prompt, ask),
            decode,
            self._scorer,
            self._places.read,
            self._prefill,
            self._rows.begin,
            constraint,
        )

    def _decoder_for(self, calls: CallStyle | None, thought: Marks | None) -> Decode:
        """One that shows the marks that calls are written with, and those of thoughts."""
        shown = marks_of(calls, thought, self._prompter.specials)
        return self._decoder if not shown else decoder_showing(self._words, shown)

    def _sampling(self, ask: Ask) -> Sampling:
        own = self._defaults
        return Sampling(
            temperature=own.temperature if ask.temperature is None else ask.temperature,
            top_p=own.top_p if ask.top_p is None else ask.top_p,
            top_k=own.top_k if ask.top_k is None else ask.top_k,
            repetition_penalty=(
                own.repetition_penalty if ask.repetition_penalty is None else ask.repetition_penalty
            ),
            frequency_penalty=ask.frequency_penalty,
            presence_penalty=ask.presence_penalty,
            logit_bias=ask.logit_bias,
            seed=ask.seed,
        )

    def _ends_of(self, prompt: TokenPrompt, ask: Ask) -> frozenset[int]:
        """Tokens that end the answer; a stop text that is a special token is never decoded."""
        named = [stop for stop in (*prompt.stop, *ask.stop) if stop in self._prompter.specials]
        ids = self._words.convert_tokens_to_ids(named)
        return self._words.ends.union(prompt.stop_token_ids, ask.stop_token_ids, ids)

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


def _room(settings: ModelSettings, model: Model, kind: str, *, gpu: bool) -> tuple[int, int]:
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
    if not gpu:  # of a GPU's memory llama.cpp tells nothing, but it says when there is too little
        free = psutil.virtual_memory().available / max(model.bytes_per_token(kind), 1)
        tokens = min(tokens, int(free if said is not None else MEMORY_SHARE * free))
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
