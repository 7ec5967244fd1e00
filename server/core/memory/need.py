"""How much memory a local model will need, before it is loaded: an estimate, and in whose words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from server.core.memory.gguf import Gguf, gguf_at, read_gguf
from server.core.memory.quantised import UNPACKED, bytes_of_few_bits, method_in, unpacked_bytes
from server.core.memory.sizes import bytes_of, in_words
from server.core.memory.weights import NO_HEAD, Weights, read_head, read_weights
from server.core.settings.model import UNCHECKED, WITHOUT_WEIGHTS, ModelSettings

CACHE_TOKENS: Final = 2048
"""Of each slot, for which there shall be room: more texts at once wait, or are read again."""
KEPT_BYTES: Final = 256 * 2**20
"""Of texts that nobody is answering any more (`worker/batch/groups.py`)."""
TEXTS_SHARE: Final = 0.6
"""Of the memory that is free once a GGUF model is loaded, for what it remembers."""
LLAMA_BYTES: Final = 350 * 2**20
"""Of a worker with llama.cpp: Python, torch, and what a step needs."""
PROCESS_BYTES: Final = 400 * 2**20
"""Of a worker that has loaded nothing yet: Python, torch and transformers."""
CUDA_BYTES: Final = 600 * 2**20
"""That CUDA takes of a GPU for itself, and for a step's own results."""
WITHOUT_TEXTS: Final = ("embeddings", "rerank")
"""Engines that read and forget, with the whole model on one device."""
GGUF: Final = "llama_cpp"
"""The engine of GGUF files."""
ADAPTER: Final = "adapter_model.safetensors"
_WIDTHS: Final = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True, slots=True)
class Need:
    """In bytes."""

    weights: int
    cache: int = 0
    """For the texts that are being answered."""
    rest: int = 0
    adapters: int = 0
    how: str = field(default="", compare=False)
    """What is said of the weights,"""
    texts: str = field(default="", compare=False)
    """and of the texts: how many tokens were counted."""

    @property
    def total(self) -> int:
        return self.weights + self.adapters + self.cache + self.rest

    def __str__(self) -> str:
        if not self.cache and not self.rest:
            return in_words(self.total)
        parts = [f"weights {in_words(self.weights)}{self.how}"]
        if self.adapters:
            parts.append(f"adapters {in_words(self.adapters)}")
        parts += [f"texts {in_words(self.cache)}{self.texts}", f"the rest {in_words(self.rest)}"]
        return f"{in_words(self.total)} ({', '.join(parts)})"


def need_of(
    settings: ModelSettings, place: Path | None, device: str, room: int | None = None
) -> Need | None:
    """`place`: its folder or file; `device`: `cpu`, `cuda` or `mps`; `room`: the bytes there, to
    which the engine of GGUF files fits what it remembers. None: nobody knows, or nobody wants it to
    be checked."""
    if settings.memory == UNCHECKED:
        return None
    if settings.memory is not None:
        return Need(bytes_of(settings.memory))
    if settings.engine in WITHOUT_WEIGHTS or place is None:
        return None
    if settings.engine == GGUF:
        file = gguf_at(place, str(settings.options.get("file", "")))
        gguf = read_gguf(file) if file else None
        return gguf_need(settings, gguf, device, room) if gguf else None
    return _need(settings, place, device)


def gguf_need(settings: ModelSettings, gguf: Gguf, device: str, room: int | None) -> Need:
    """llama.cpp takes the room for all texts when it starts; on a CPU no more than a share of what
    is free, as long as one text of the length that was asked for fits."""
    layers = gguf_layers(settings, gguf.layers) if device == "cuda" else gguf.layers + 1
    weights = gguf.bytes_of_last(layers) if device == "cuda" else sum(gguf.tensors.values())
    rest = CUDA_BYTES if device == "cuda" else LLAMA_BYTES
    width = _WIDTHS.get(settings.dtype, 2)
    per_token = gguf.bytes_per_token(width) * min(layers, gguf.layers) // max(1, gguf.layers)
    length = settings.context_length or gguf.context_length or CACHE_TOKENS
    said = _option(settings, "kv_tokens")
    tokens = settings.slots * length if said is None else said
    if said is None and room is not None and device != "cuda":
        left = int(TEXTS_SHARE * max(0, room - weights - rest)) // max(1, per_token)
        tokens = min(tokens, max(left, settings.context_length or 0))
    return Need(weights, per_token * tokens, rest, texts=f" for {tokens} tokens")


def gguf_layers(settings: ModelSettings, layers: int) -> int:
    """So many are on GPUs, where there are some; what comes behind the last one counts as one."""
    wanted = _option(settings, "n_gpu_layers")
    return layers + 1 if wanted is None or wanted < 0 else min(wanted, layers + 1)


def _option(settings: ModelSettings, name: str) -> int | None:
    """None where it says nothing, or no number: its worker says what is wrong with that."""
    try:
        return int(settings.options[name])
    except (KeyError, ValueError):
        return None


def _need(settings: ModelSettings, folder: Path, device: str) -> Need | None:
    weights = read_weights(folder)
    if weights is None:
        return None
    width = _width(settings, device)
    rest = CUDA_BYTES if device == "cuda" else PROCESS_BYTES
    if settings.engine in WITHOUT_TEXTS:
        return Need(weights.bytes_as(width), 0, rest)
    whole = read_config(folder)
    config = _text_part(whole)
    number = width or _own_width(config)
    held, how = _held(settings, weights, whole, device, width)
    length = settings.context_length or _number(config, "max_position_embeddings") or CACHE_TOKENS
    tokens = min(length, CACHE_TOKENS)
    cache = _bytes_per_token(config, number) * settings.slots * tokens + KEPT_BYTES
    return Need(
        held,
        cache,
        rest,
        _adapters(settings, number),
        how=how,
        texts=f" for {settings.slots} of {tokens} tokens and {in_words(KEPT_BYTES)} of older ones",
    )


def _held(
    settings: ModelSettings,
    weights: Weights,
    config: Mapping[str, Any],
    device: str,
    width: int | None,
) -> tuple[int, str]:
    """Bytes of the weights once they are loaded, and what is said of them."""
    text = _text_part(config)
    number = width or _own_width(text)
    if settings.quantization is not None:
        held = bytes_of_few_bits(weights, settings.quantization, text, number)
        return held, f" by {settings.quantization}"
    method = method_in(config)
    if method == UNPACKED:
        return unpacked_bytes(weights, config, device, number), f" of {method}, which are unpacked"
    return weights.bytes_as(width), f" of {method}" if method else ""


def _adapters(settings: ModelSettings, width: int) -> int:
    """All together; of one that cannot be read its worker says why."""
    total = 0
    for place in settings.adapters.values():
        try:
            head = dict(read_head(Path(place).expanduser() / ADAPTER))
        except NO_HEAD:
            continue
        total += sum(tensor.count * width for tensor in head.values())
    return total


def cache_bytes(settings: ModelSettings, folder: Path, device: str, more: int) -> int:
    """Of all that `slots` texts can be together, and of `more` tokens."""
    config = _text_part(read_config(folder))
    width = _width(settings, device) or _own_width(config)
    length = settings.context_length or _number(config, "max_position_embeddings") or CACHE_TOKENS
    return _bytes_per_token(config, width) * (settings.slots * length + more)


def _width(settings: ModelSettings, device: str) -> int | None:
    """Bytes of each number once it is loaded; None: as in the files (`weights/device.py`)."""
    if settings.dtype != "auto":
        return _WIDTHS[settings.dtype]
    return 4 if device == "cpu" else None


def _own_width(config: Mapping[str, Any]) -> int:
    return _WIDTHS.get(str(config.get("dtype", config.get("torch_dtype"))), 2)


def read_config(folder: Path) -> Mapping[str, Any]:
    """Its `config.json`; empty where it cannot be read."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def _text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    text = config.get("text_config", config)
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
