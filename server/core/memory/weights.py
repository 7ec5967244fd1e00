"""What a model's weights weigh, read from the heads of its files: kilobytes, however large it is.

A safetensors file begins with eight bytes, the length of its head, and the head: JSON with the type
and the place of each tensor. Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Final

MAX_HEAD_BYTES: Final = 100 * 1000 * 1000
"""The format's own limit."""
INDEX: Final = "model.safetensors.index.json"
WHOLE: Final = "model.safetensors"
_FLOATS: Final = frozenset({"F64", "F32", "F16", "BF16"})
"""Types that are turned into the one a model is loaded in; those of quantised models stay."""


@dataclass(frozen=True, slots=True)
class Weights:
    floats: int = 0
    """Numbers whose type a loader may choose,"""
    float_bytes: int = 0
    """and the bytes that they have in the files."""
    other_bytes: int = 0
    """Of all other tensors."""
    tensors: Mapping[str, int] = field(default_factory=dict)
    """By name, the bytes that each has in the files."""

    @property
    def file_bytes(self) -> int:
        return self.float_bytes + self.other_bytes

    def bytes_as(self, width: int | None) -> int:
        """Loaded with `width` bytes for each number; None: as they are."""
        floats = self.float_bytes if width is None else self.floats * width
        return floats + self.other_bytes


def read_weights(folder: Path) -> Weights | None:
    """None where there are none that can be read: who loads them says why."""
    tensors: dict[str, int] = {}
    floats = float_bytes = other_bytes = 0
    try:
        for file in _files(folder):
            for name, kind, count, size in _tensors(file):
                tensors[name] = size
                if kind in _FLOATS:
                    floats += count
                    float_bytes += size
                else:
                    other_bytes += size
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Weights(floats, float_bytes, other_bytes, tensors) if tensors else None


def _files(folder: Path) -> list[Path]:
    """Those that a loader would take: some folders hold the same weights twice."""
    index = folder / INDEX
    if index.is_file():
        named: dict[str, str] = json.loads(index.read_bytes())["weight_map"]
        return [folder / Path(name).name for name in sorted(set(named.values()))]
    whole = folder / WHOLE
    return [whole] if whole.is_file() else sorted(folder.glob("*.safetensors"))


def _tensors(file: Path) -> list[tuple[str, str, int, int]]:
    """Name, type, count of numbers and bytes of each."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > MAX_HEAD_BYTES:
            raise ValueError("no head of a safetensors file is so long")
        head: dict[str, Any] = json.loads(opened.read(length))
    found = []
    for name, tensor in head.items():
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            found.append((name, str(tensor["dtype"]), prod(tensor["shape"]), int(end - begin)))
    return found
