"""What a model's weights weigh, read from the heads of its files: kilobytes, however large it is.

A safetensors file begins with eight bytes, the length of its head, and the head: JSON with the type
and the place of each tensor. Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

MAX_HEAD_BYTES: Final = 100 * 1000 * 1000
"""The format's own limit."""
INDEX: Final = "model.safetensors.index.json"
WHOLE: Final = "model.safetensors"
_FLOATS: Final = frozenset({"F64", "F32", "F16", "BF16"})
"""Types that are turned into the one a model is loaded in; those of quantised models stay."""
NO_HEAD: Final = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    *(OverflowError, RecursionError),  # a number without end, and lists in lists
)
"""What comes of reading a head that makes no sense."""


@dataclass(frozen=True, slots=True)
class Tensor:
    kind: str
    """As the format calls its type, such as `BF16`."""
    shape: tuple[int, ...]
    size: int
    """Bytes in the files."""

    @property
    def count(self) -> int:
        """Of its numbers."""
        return prod(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether a loader may choose its type."""
        return self.kind in _FLOATS

    def bytes_as(self, width: int | None) -> int:
        """Loaded with `width` bytes for each number; None: as it is."""
        return self.size if width is None or not self.is_float else self.count * width


@dataclass(frozen=True, slots=True)
class Weights:
    heads: Mapping[str, Tensor]
    """By name."""

    @property
    def tensors(self) -> dict[str, int]:
        """By name, the bytes that each has in the files."""
        return {name: tensor.size for name, tensor in self.heads.items()}

    def bytes_as(self, width: int | None) -> int:
        return sum(tensor.bytes_as(width) for tensor in self.heads.values())


def read_weights(folder: Path) -> Weights | None:
    """None where there are none that can be read: who loads them says why."""
    try:
        heads = {name: tensor for file in weight_files(folder) for name, tensor in read_head(file)}
    except NO_HEAD:
        return None
    return Weights(heads) if heads else None


def weight_files(folder: Path) -> list[Path]:
    """Those that a loader would take: some folders hold the same weights twice. Raises what
    `NO_HEAD` names for an index that makes no sense."""
    index = folder / INDEX
    if index.is_file():
        named: dict[str, str] = json.loads(index.read_bytes())["weight_map"]
        return [folder / Path(name).name for name in sorted(set(named.values()))]
    whole = folder / WHOLE
    return [whole] if whole.is_file() else sorted(folder.glob("*.safetensors"))


def read_head(file: Path) -> Iterator[tuple[str, Tensor]]:
    """The name of each tensor, and what is said of it. Raises what `NO_HEAD` names."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > MAX_HEAD_BYTES:
            raise ValueError("no head of a safetensors file is so long")
        head: dict[str, Any] = json.loads(opened.read(length))
    for name, tensor in head.items():
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            shape = tuple(int(side) for side in tensor["shape"])
            yield name, Tensor(str(tensor["dtype"]), shape, int(end - begin))
