"""How much memory a local model will need, before it is loaded: an estimate, and in whose words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from server.core.memory.sizes import bytes_of, in_words
from server.core.memory.weights import read_weights
from server.core.settings.model import UNCHECKED, WITHOUT_WEIGHTS, ModelSettings

CACHE_TOKENS: Final = 2048
"""Of each slot, for which there shall be room: more texts at once wait, or are read again."""
KEPT_BYTES: Final = 256 * 2**20
"""Of texts that nobody is answering any more (`worker/batch/groups.py`)."""
PROCESS_BYTES: Final = 400 * 2**20
"""Of a worker that has loaded nothing yet: Python, torch and transformers."""
CUDA_BYTES: Final = 600 * 2**20
"""That CUDA takes of a GPU for itself, and for a step's own results."""
WITHOUT_TEXTS: Final = ("embeddings", "rerank")
"""Engines that read and forget, with the whole model on one device."""
_WIDTHS: Final = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True, slots=True)
class Need:
    """In bytes."""

    weights: int
    cache: int = 0
    """For the texts that are being answered."""
    rest: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.rest

    def __str__(self) -> str:
        if not self.cache and not self.rest:
            return in_words(self.total)
        return (
            f"{in_words(self.total)} (weights {in_words(self.weights)}, "
            f"texts {in_words(self.cache)}, the rest {in_words(self.rest)})"
        )


def need_of(settings: ModelSettings, folder: Path | None, device: str) -> Need | None:
    """`device`: `cpu`, `cuda` or `mps`. None: nobody knows, or nobody wants it to be checked."""
    if settings.memory == UNCHECKED:
        return None
    if settings.memory is not None:
        return Need(bytes_of(settings.memory))
    if settings.engine in WITHOUT_WEIGHTS or folder is None:
        return None
    weights = read_weights(folder)
    if weights is None:
        return None
    width = _width(settings, device)
    rest = CUDA_BYTES if device == "cuda" else PROCESS_BYTES
    if settings.engine in WITHOUT_TEXTS:
        return Need(weights.bytes_as(width), 0, rest)
    config = _config(folder)
    per_token = _bytes_per_token(config, width or _own_width(config))
    length = settings.context_length or _number(config, "max_position_embeddings") or CACHE_TOKENS
    cache = per_token * settings.slots * min(length, CACHE_TOKENS) + KEPT_BYTES
    return Need(weights.bytes_as(width), cache, rest)


def _width(settings: ModelSettings, device: str) -> int | None:
    """Bytes of each number once it is loaded; None: as in the files (`weights/device.py`)."""
    if settings.dtype != "auto":
        return _WIDTHS[settings.dtype]
    return 4 if device == "cpu" else None


def _own_width(config: Mapping[str, Any]) -> int:
    return _WIDTHS.get(str(config.get("dtype", config.get("torch_dtype"))), 2)


def _config(folder: Path) -> Mapping[str, Any]:
    """Of the model's text part; empty where it cannot be read."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
        text = config.get("text_config", config)
    except (OSError, ValueError, AttributeError):
        return {}
    return text if isinstance(text, dict) else {}


def _number(config: Mapping[str, Any], key: str) -> int:
    """0 where it says none."""
    value = config.get(key)
    return value if type(value) is int and value > 0 else 0


def _bytes_per_token(config: Mapping[str, Any], width: int) -> int:
    """Of its keys and values, in all layers."""
    heads = _number(config, "num_attention_heads") or 1
    wide = _number(config, "head_dim") or _number(config, "hidden_size") // heads
    kept = _number(config, "num_key_value_heads") or heads
    return 2 * _number(config, "num_hidden_layers") * kept * wide * width
