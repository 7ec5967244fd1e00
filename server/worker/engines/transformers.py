"""Any decoder-only model that transformers can load, on a CPU or on GPUs.

One batch for all requests: who comes joins it at the next token, who is done leaves it there, and
long prompts are read in pieces between. One thread owns the model. A decode loop of our own,
because `generate` samples from the one global random generator and can be neither joined nor left.

options: none
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.cache_utils import DynamicLayer
from transformers.utils import logging as transformers_log

from server.core.errors import BadRequest, StartError, Unavailable
from server.core.settings import ModelSettings
from server.wire.process import Report
from server.worker.adapters.rows import Use, load_adapters, no_adapters, try_adapters
from server.worker.asked import Ask, Delta, Prepared
from server.worker.batch.answering import Forward
from server.worker.batch.authors import end_tokens, recommended
from server.worker.batch.engine import BatchedEngine, Runner
from server.worker.batch.groups import Apart, Together
from server.worker.batch.scores import bytes_by
from server.worker.batch.writing import Vocabulary
from server.worker.engine import Engine, Say
from server.worker.forms.grammar import Grammars
from server.worker.weights.attention import attention, check_attention
from server.worker.weights.context import NO_LIMIT, check_context, context_of
from server.worker.weights.device import pick_device, pick_dtype, placement
from server.worker.weights.files import find_model, reason
from server.worker.weights.progress import told_weights
from server.worker.weights.quantised import quantisation
from server.worker.weights.room import check_room

TAKES: Final = frozenset({"adapters", "attention", "quantization"})
"""Settings that not every engine understands."""

PREFILL_TOKENS = 512
"""Of a prompt, read in one step, which everybody else waits for."""
CPU_PREFILL_TOKENS = 64
"""The same on a CPU, at least; up to `PREFILL_TOKENS` of a model that is small enough,"""
CPU_PREFILL_WORK = 1.25e9
"""in tokens times weights: the others wait for some 30 ms of a core. By the model's size and not by
the clock, for how a prompt is cut shows in the last digits of what is made of it."""


def load(settings: ModelSettings, say: Say) -> Engine:
    transformers_log.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_log.set_verbosity_error()  # type: ignore[no-untyped-call]
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    device = pick_device(settings)
    folder = find_model(settings, say)
    check_room(settings, folder, device)
    try:
        tokenizer = _load_tokenizer(settings, folder, say)
        model = _load_weights(settings, folder, device, say)
        use = load_adapters(settings, model, tokenizer, say)
        say(Report(state="loading", detail="first step"))
        engine = TransformersEngine(settings, model, tokenizer, use)
        say(Report(state="loading", detail="forms"))
        with suppress(BadRequest):  # a tokenizer that knows none: whoever asks for one is told
            engine.grammars.load()
        return engine
    except StartError:
        raise
    except Exception as error:  # files of strangers fail in strange ways
        raise StartError(
            f"model {settings.name!r} cannot be loaded from {settings.path}: {reason(error)}"
        ) from error


class TransformersEngine(BatchedEngine):
    abilities = ("chat", "completions")

    def __init__(
        self, settings: ModelSettings, model: Any, tokenizer: Any, use: Use = no_adapters
    ) -> None:
        self._model = model
        self._use = use
        check_context(settings, model.config.get_text_config())
        self.context_length: int = settings.context_length or context_of(model, tokenizer)
        plain = _has_plain_memory(settings.name, self._forward)
        try_adapters(settings, self._forward)
        prefill = _prefill_tokens(model) if plain else NO_LIMIT
        self._group: Together | Apart = Together(model, use) if plain else Apart(self._forward)
        size, ends = _vocabulary_of(model), end_tokens(model.generation_config, tokenizer)
        super().__init__(
            settings,
            Vocabulary(tokenizer, ends, size, bytes_by(tokenizer)),
            Runner(self._group, self._forward, self._group.begin, prefill, model.device),
            recommended(model.generation_config),
            Grammars(tokenizer, size, ends),
        )

    async def generate(self, prepared: Prepared, ask: Ask) -> AsyncGenerator[Delta, None]:
        try:
            async with aclosing(super().generate(prepared, ask)) as deltas:
                async for delta in deltas:
                    yield delta
        except torch.OutOfMemoryError as error:
            raise Unavailable(
                "The model ran out of memory; retry with a shorter prompt.", code="out_of_memory"
            ) from error

    def forget(self) -> None:
        """All that is remembered of texts that nobody is answering any more."""
        if self._group.prefixes is not None:
            self.between_steps(self._group.prefixes.clear)

    @torch.inference_mode()
    def _forward(
        self, ids: tuple[int, ...], cache: Any, adapter: str = "", *, every: bool = False
    ) -> tuple[Tensor, Any]:
        """Scores of the token after the last of `ids`, or after `every` one, (1 or tokens,
        vocabulary) in float32, and the longer cache."""
        step = torch.tensor([ids], device=self._model.device)
        keep = 0 if every else 1
        self._use([adapter])
        out = self._model(
            input_ids=step, past_key_values=cache, use_cache=True, logits_to_keep=keep
        )
        return out.logits[0].float(), out.past_key_values


def _load_tokenizer(settings: ModelSettings, folder: Path, say: Say) -> Any:
    say(Report(state="loading", detail="tokenizer"))
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)


def _load_weights(settings: ModelSettings, folder: Path, device: str, say: Say) -> Any:
    if not any(folder.glob("*.safetensors")):
        raise StartError(
            f"model {settings.name!r}: there are no weights (*.safetensors) in {folder}"
        )
    with told_weights(folder, device, say):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            trust_remote_code=settings.trust_remote_code,
            use_safetensors=True,
            dtype=pick_dtype(settings, device),
            output_loading_info=True,
            **placement(settings, device),
            **attention(settings, device),
            **quantisation(settings, folder, device),
        )
    model, info = loaded
    missing = sorted(info["missing_keys"])
    if missing:  # transformers would fill them with random numbers
        raise StartError(
            f"model {settings.name!r}: the weights in {folder} are incomplete: "
            f"{len(missing)} tensors are missing, the first is {missing[0]}"
        )
    check_attention(settings, model)
    return model.eval()


def _vocabulary_of(model: Any) -> int:
    """Tokens that it has scores for. The shape of packed weights does not tell."""
    head = model.get_output_embeddings()
    return int(getattr(head, "out_features", None) or head.weight.shape[0])


def _has_plain_memory(name: str, forward: Forward) -> bool:
    """Whether what the model remembers is keys and values of each token, and nothing else: only
    that can be read on in pieces, and batched. Also proves that the model works at all.

    Raises `StartError`.
    """
    scores, cache = forward((0,), None)
    if cache is None:
        raise StartError(f"model {name!r}: its architecture has no cache that transformers shares")
    if not bool(torch.isfinite(scores).all()):
        raise StartError(f"model {name!r}: its weights are broken, the scores are not numbers")
    return all(type(layer) is DynamicLayer for layer in getattr(cache, "layers", [None]))


def _prefill_tokens(model: Any) -> int:
    """How much of a prompt one step may read."""
    if model.device.type != "cpu":
        return PREFILL_TOKENS
    small_enough = int(CPU_PREFILL_WORK / model.num_parameters())
    return max(CPU_PREFILL_TOKENS, min(PREFILL_TOKENS, small_enough))
