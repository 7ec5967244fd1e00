"""What weights of few bits weigh once they are loaded, by settings or by their files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from server.core.memory.weights import Tensor, Weights

EIGHT: Final = "bitsandbytes-8bit"
FOUR: Final = "bitsandbytes-4bit"
_BLOCK: Final = 64
"""Numbers that share a scale where they have four bits,"""
_SCALE_BYTES: Final = 4
"""and what a scale takes; with eight bits each row has one."""
_PACKED: Final = (".weight", ".weight_packed")
UNPACKED: Final = "compressed-tensors"
"""A way of quantising that transformers undoes when it loads: it reckons with whole numbers."""


def bytes_of_few_bits(
    weights: Weights, quantization: str, config: Mapping[str, Any], width: int
) -> int:
    """Made smaller while they are loaded, by bitsandbytes: all products but the last one.

    `width`: bytes of each number of what is left as it is.
    """
    tokens = config.get("vocab_size")

    def size(name: str, tensor: Tensor) -> int:
        if not _is_product(name, tensor, tokens):
            return tensor.bytes_as(width)
        if quantization == EIGHT:
            return tensor.count + tensor.shape[0] * _SCALE_BYTES
        return tensor.count // 2 + -(-tensor.count // _BLOCK) * _SCALE_BYTES

    return sum(size(name, tensor) for name, tensor in weights.heads.items())


def _is_product(name: str, tensor: Tensor, tokens: object) -> bool:
    """What has a row for each token is the embeddings, or the last product, which stay whole."""
    two = name.endswith(".weight") and len(tensor.shape) == 2 and tensor.is_float
    return two and tensor.shape[0] != tokens and "embed" not in name


def method_in(config: Mapping[str, Any]) -> str:
    """How weights are quantised by their `config.json`, as transformers calls it; empty: they are
    not."""
    said = _said(config)
    if said is None:
        return ""
    bits = said.get("load_in_4bit") or said.get("load_in_8bit")
    return str(said.get("quant_method") or ("bitsandbytes" if bits else "unknown"))


def unpacked_bytes(weights: Weights, config: Mapping[str, Any], device: str, width: int) -> int:
    """Of `compressed-tensors`: all numbers in full, beside what they were made of, whose room
    comes free too late to be of use."""
    bits = _bits(_said(config) or {})
    more = 0
    for name, tensor in weights.heads.items():
        kept = tensor.is_float or (device == "cuda" and tensor.kind.startswith("F8"))
        if not kept and name.endswith(_PACKED):
            more += tensor.size * 8 // bits * width
    return weights.bytes_as(width) + more


def _bits(said: Mapping[str, Any]) -> int:
    """The fewest of all its groups; 8 where it says nothing of use."""
    found = [8]
    groups = said.get("config_groups")
    for group in groups.values() if isinstance(groups, dict) else ():
        weights = group.get("weights") if isinstance(group, dict) else None
        bits = weights.get("num_bits") if isinstance(weights, dict) else None
        if type(bits) is int and bits > 0:
            found.append(bits)
    return min(found)


def _said(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for part in (config, config.get("text_config")):
        if isinstance(part, dict):
            said = part.get("quantization_config") or part.get("compression_config")
            if isinstance(said, dict):
                return said
    return None
