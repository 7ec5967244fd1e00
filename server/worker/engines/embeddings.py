"""Sentence embeddings with sentence-transformers, on a CPU or a GPU.

Batches of all requests take turns in one thread. The model is on one device: of several `gpus`
the first, and `memory_per_gpu` is refused.

options:
    truncate   true: cut off what is longer than the model reads (false: refuse it, as OpenAI does)
    batch      inputs in one step (32)
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

from server.core.context import check_chars, max_chars
from server.core.errors import ContextLengthExceeded, StartError
from server.core.memory.folders import BUNDLED
from server.core.settings import ModelSettings
from server.wire.lanes import Lane
from server.wire.openai_refusals import bad
from server.wire.process import Report
from server.worker.asked import Embedded
from server.worker.engine import Engine, Say
from server.worker.stepper import Stepper
from server.worker.weights.context import check_context, positions_of
from server.worker.weights.device import one_device, pick_device, pick_dtype
from server.worker.weights.files import find_model, reason
from server.worker.weights.progress import told_weights
from server.worker.weights.room import check_room

BATCH = 32
KNOWN_WEIGHTS = {
    "bundled:all-MiniLM-L6-v2": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
}
"""SHA-256 of `model.safetensors` as its authors published it; the package is somebody else's."""

Batch = list[list[float]]


def load(settings: ModelSettings, say: Say) -> Engine:
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    device = one_device(settings, pick_device(settings))
    folder = find_model(settings, say)
    check_room(settings, folder, device, splits=False)
    check_weights(settings, folder, say)
    try:
        with told_weights(folder, device, say):
            model = SentenceTransformer(
                str(folder),
                device=device,
                trust_remote_code=settings.trust_remote_code,
                local_files_only=True,
                model_kwargs={"dtype": pick_dtype(settings, device), "use_safetensors": True},
            )
        say(Report(state="loading", detail="first step"))
        config = getattr(getattr(model[0], "auto_model", None), "config", None)
        check_context(settings, config, positions_of(model))
        return EmbeddingsEngine(settings, model)
    except StartError:
        raise
    except Exception as error:  # files of strangers fail in strange ways
        raise StartError(
            f"model {settings.name!r} cannot be loaded from {settings.path}: {reason(error)}"
        ) from error


def check_weights(settings: ModelSettings, folder: Path, say: Say) -> None:
    """Raises `StartError` when bundled weights are not those that were published."""
    expected = KNOWN_WEIGHTS.get(settings.path)
    if expected is None:
        if settings.path.startswith(BUNDLED):
            raise StartError(f"model {settings.name!r}: its weights have no known SHA-256")
        return
    say(Report(state="loading", detail="checking the weights"))
    try:
        with (folder / "model.safetensors").open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StartError(f"model {settings.name!r}: {error.strerror}: {error.filename}") from error
    if found != expected:
        raise StartError(
            f"model {settings.name!r}: {folder / 'model.safetensors'} is not the published file "
            f"(SHA-256 {found[:12]}…, expected {expected[:12]}…)"
        )


class EmbeddingsEngine(Engine):
    """Vectors have length 1, so their dot product is their cosine."""

    abilities = ("embeddings",)

    def __init__(self, settings: ModelSettings, model: Any) -> None:
        self._model = model
        # Counting sets options inside the tokenizer, so it needs one of its own.
        self._tokenizer = copy.deepcopy(model.tokenizer)
        self._counting = threading.Lock()
        lengths = [n for n in (model.max_seq_length, positions_of(model)) if n is not None]
        self.context_length: int | None = settings.context_length or min(lengths, default=None)
        model.max_seq_length = self.context_length
        self._truncate = bool(settings.options.get("truncate", False))
        self._batch = int(settings.options.get("batch", BATCH))
        self.dimensions = len(self._encode(["first step"], None)[0])
        self._stepper: Stepper[Batch] = Stepper(f"engine {settings.name}")

    @property
    def tokens_after_cancel(self) -> int:  # type: ignore[override]
        return self._stepper.steps_after_cancel

    async def embed(
        self,
        inputs: Sequence[str | tuple[int, ...]],
        dimensions: int | None = None,
        *,
        lane: Lane = "normal",
        customer: str = "",
    ) -> Embedded:
        if dimensions is not None and dimensions > self.dimensions:
            most = f"this model's vectors have {self.dimensions}; ask for fewer, not more"
            raise bad("dimensions", most, "integer_above_max_value")
        texts = await asyncio.to_thread(self._texts, inputs)
        counts: list[int] = []
        for start in range(0, len(texts), self._batch):  # who left is found out in between
            part = texts[start : start + self._batch]
            counts += await asyncio.to_thread(self._count, part)
        if self._truncate and self.context_length is not None:
            counts = [min(count, self.context_length) for count in counts]
        self._check_tokens(max(counts))
        vectors: Batch = []
        steps = self._steps(texts, dimensions)
        async with aclosing(self._stepper.run(steps, lane, customer)) as batches:
            async for batch in batches:
                vectors += batch
        return Embedded(vectors, sum(counts))

    def close(self) -> None:
        self._stepper.close()

    def _steps(self, texts: list[str], dimensions: int | None) -> Iterator[Batch | None]:
        for start in range(0, len(texts), self._batch):
            yield self._encode(texts[start : start + self._batch], dimensions)

    def _encode(self, texts: list[str], dimensions: int | None) -> Batch:
        vectors = self._model.encode(
            texts,
            batch_size=self._batch,
            normalize_embeddings=True,
            truncate_dim=dimensions,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        found: Batch = vectors.astype("float32").tolist()
        return found

    def _count(self, texts: list[str]) -> list[int]:
        """Tokens of each text, marks included, as the model would read it whole."""
        with self._counting:
            encoded = self._tokenizer(texts, truncation=False, padding=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def _texts(self, inputs: Sequence[str | tuple[int, ...]]) -> list[str]:
        """What may fit, as text. Tokens are this model's own, not those of OpenAI's tokenizers."""
        most = self.context_length
        if most is not None and self._truncate:
            inputs = [item[: max_chars(most) if isinstance(item, str) else most] for item in inputs]
        for item in inputs:
            if isinstance(item, str):
                check_chars(most, len(item), param="input")
            else:
                self._check_tokens(len(item))
        return [item if isinstance(item, str) else self._decoded(item) for item in inputs]

    def _check_tokens(self, count: int) -> None:
        if self.context_length is not None and count > self.context_length:
            raise ContextLengthExceeded(
                f"This model's maximum context length is {self.context_length} tokens, "
                f"however you requested {count} tokens. Please reduce the length of the "
                "input, or let the operator set the model's option truncate.",
                param="input",
            )

    def _decoded(self, ids: Sequence[int]) -> str:
        vocabulary = len(self._tokenizer)
        if any(not 0 <= token < vocabulary for token in ids):
            raise bad("input", f"this model's tokens are 0 to {vocabulary - 1}")
        with self._counting:
            text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text
