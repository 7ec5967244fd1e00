"""Rerankers with sentence-transformers, on a CPU or a GPU: models that read a query and a document
together and say how well one answers the other.

Any sequence classifier with one label will do (`BAAI/bge-reranker-v2-m3` and the like). Its score
is the sigmoid of what it says, so it lies between 0 and 1. Batches of all requests take turns in
one thread. The model is on one device: of several `gpus` the first, and `memory_per_gpu` is
refused.

options:
    truncate   true: cut off what is longer of a document than the model reads (false: refuse it)
    batch      documents in one step at most (32)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.util import batch_to_device
from transformers import AutoConfig

from server.core.context import check_chars, max_chars
from server.core.errors import ContextLengthExceeded, Internal, StartError
from server.core.settings import ModelSettings
from server.wire.lanes import Lane
from server.wire.process import Report
from server.worker.asked import Reranked
from server.worker.engine import Engine, Say
from server.worker.stepper import Stepper
from server.worker.weights.context import check_context, positions_of
from server.worker.weights.device import one_device, pick_device, pick_dtype
from server.worker.weights.files import find_model, reason
from server.worker.weights.progress import told_weights
from server.worker.weights.room import check_room

BATCH = 32
CPU_STEP_CHARS = 4_096
"""Of queries and documents in one step, unless one pair has more: who is more urgent waits for the
step that is under way. A CPU reads a large batch no faster than a small one,"""
GPU_STEP_CHARS = 65_536
"""a GPU does."""
_UNCUT = {"text": {"truncation": False, "verbose": False}}

Scored = tuple[list[int], list[float], int]
"""Which documents, their scores, and the tokens that were read."""


def load(settings: ModelSettings, say: Say) -> Engine:
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    device = one_device(settings, pick_device(settings))
    folder = find_model(settings, say)
    check_room(settings, folder, device, splits=False)
    try:
        check_reranker(settings, folder)
        with told_weights(folder, device, say):
            model = CrossEncoder(
                str(folder),
                device=device,
                trust_remote_code=settings.trust_remote_code,
                local_files_only=True,
                model_kwargs={"dtype": pick_dtype(settings, device), "use_safetensors": True},
                activation_fn=torch.nn.Identity(),
            )
        if model.num_labels != 1:
            raise StartError(
                f"model {settings.name!r}: it has {model.num_labels} labels and so no one score; "
                "a reranker has one"
            )
        say(Report(state="loading", detail="first step"))
        check_context(settings, model.config, positions_of(model))
        return RerankEngine(settings, model)
    except StartError:
        raise
    except Exception as error:  # files of strangers fail in strange ways
        raise StartError(
            f"model {settings.name!r} cannot be loaded from {settings.path}: {reason(error)}"
        ) from error


def check_reranker(settings: ModelSettings, folder: Path) -> None:
    """Raises `StartError` for a model of another kind: it would be given a head of random numbers,
    and score at random."""
    config = AutoConfig.from_pretrained(
        str(folder), trust_remote_code=settings.trust_remote_code, local_files_only=True
    )
    names = config.architectures or ["nothing"]
    if names[0].endswith("ForSequenceClassification") or _says_so(folder):
        return
    raise StartError(
        f"model {settings.name!r}: it is a {names[0]} and no reranker, which is a "
        "…ForSequenceClassification"
    )


def _says_so(folder: Path) -> bool:
    """Whether sentence-transformers has saved it as a `CrossEncoder`, of whatever parts."""
    file = folder / "config_sentence_transformers.json"
    if not file.is_file() or not (folder / "modules.json").is_file():
        return False
    return bool(json.loads(file.read_text("utf-8")).get("model_type") == "CrossEncoder")


class RerankEngine(Engine):
    """Documents are read longest first, so that those of one step are about as long."""

    abilities = ("rerank",)

    def __init__(self, settings: ModelSettings, model: Any) -> None:
        self._model = model.eval()
        lengths = [n for n in (model.max_seq_length, positions_of(model)) if n is not None]
        self.context_length: int | None = settings.context_length or min(lengths, default=None)
        model.max_seq_length = self.context_length
        self._prompt = model.prompts.get(model.default_prompt_name)
        self._truncate = bool(settings.options.get("truncate", False))
        self._batch = int(settings.options.get("batch", BATCH))
        self._step_chars = CPU_STEP_CHARS if model.device.type == "cpu" else GPU_STEP_CHARS
        self._score("first step", ["first step"], [0])
        self._stepper: Stepper[Scored] = Stepper(f"engine {settings.name}")

    @property
    def tokens_after_cancel(self) -> int:  # type: ignore[override]
        return self._stepper.steps_after_cancel

    async def rerank(
        self,
        query: str,
        documents: Sequence[str],
        max_tokens_per_doc: int | None = None,
        *,
        lane: Lane = "normal",
        customer: str = "",
    ) -> Reranked:
        documents = self._short(query, documents, max_tokens_per_doc)
        scores, tokens = [0.0] * len(documents), 0
        steps = self._steps(query, documents, max_tokens_per_doc)
        async with aclosing(self._stepper.run(steps, lane, customer)) as parts:
            async for indices, found, count in parts:
                tokens += count
                for index, score in zip(indices, found, strict=True):
                    scores[index] = score
        return Reranked(scores, tokens)

    def close(self) -> None:
        self._stepper.close()

    def _short(self, query: str, documents: Sequence[str], most: int | None) -> Sequence[str]:
        """What may fit, known from its length alone: megabytes are not worth tokenising."""
        context = self.context_length
        check_chars(context, len(query), param="query")
        if most is not None:
            documents = [text[: max_chars(most)] for text in documents]
        if context is not None and self._truncate:
            documents = [text[: max_chars(context)] for text in documents]
        for index, text in enumerate(documents):
            check_chars(context, len(text), param=f"documents[{index}]")
        return documents

    def _steps(
        self, query: str, documents: Sequence[str], most: int | None
    ) -> Iterator[Scored | None]:
        room = self._room(query)
        if room is not None and self._truncate:
            most = min(room, most or room)
        order = sorted(range(len(documents)), key=lambda index: -len(documents[index]))
        start = 0
        while start < len(order):
            chars = len(query) + len(documents[order[start]])
            size = min(self._batch, max(1, self._step_chars // chars))
            indices = order[start : start + size]
            texts = [documents[index] for index in indices]
            yield self._score(query, texts if most is None else self._cut(texts, most), indices)
            start += size

    def _room(self, query: str) -> int | None:
        """Tokens of a document that fit beside `query`. Raises `ContextLengthExceeded`."""
        if self.context_length is None:
            return None
        count = _counts(self._features([(query, "")], uncut=True))[0]
        if count >= self.context_length:
            raise ContextLengthExceeded(
                f"This model's maximum context length is {self.context_length} tokens. However, "
                f"your query alone resulted in {count} tokens. Please reduce its length.",
                param="query",
            )
        return self.context_length - count

    def _score(self, query: str, documents: list[str], indices: list[int]) -> Scored:
        pairs = [(query, document) for document in documents]
        features = self._features(pairs, uncut=not self._truncate)
        counts = _counts(features)
        self._check_tokens(counts, indices)
        with torch.inference_mode():
            said = self._model(batch_to_device(features, self._model.device))["scores"]
            scores = torch.sigmoid(said.double()).flatten().cpu()
        if not torch.isfinite(scores).all():
            raise Internal("The model's scores are no numbers; another dtype may help.")
        return indices, scores.tolist(), sum(counts)

    def _features(self, pairs: list[tuple[str, str]], *, uncut: bool) -> dict[str, Any]:
        found: dict[str, Any] = self._model.preprocess(
            pairs, prompt=self._prompt, processing_kwargs=_UNCUT if uncut else None
        )
        return found

    def _check_tokens(self, counts: list[int], indices: list[int]) -> None:
        for index, count in zip(indices, counts, strict=True):
            if self.context_length is not None and count > self.context_length:
                raise ContextLengthExceeded(
                    f"This model's maximum context length is {self.context_length} tokens, "
                    f"however your query and this document resulted in {count} tokens. Please "
                    "reduce the length of the documents or send max_tokens_per_doc, or let the "
                    "operator set the model's option truncate.",
                    param=f"documents[{index}]",
                )

    def _cut(self, documents: list[str], most: int) -> list[str]:
        """Of each document, its first `most` tokens, as text."""
        encoded = self._model.tokenizer(
            documents,
            add_special_tokens=False,
            truncation=True,
            max_length=most,
            return_offsets_mapping=True,
        )
        ends = [spans[-1][1] if len(spans) == most else None for spans in encoded["offset_mapping"]]
        return [text[:end] for text, end in zip(documents, ends, strict=True)]


def _counts(features: dict[str, Any]) -> list[int]:
    """Tokens of each pair as the model reads it, marks included."""
    counts: list[int] = features["attention_mask"].sum(dim=1).tolist()
    return counts
