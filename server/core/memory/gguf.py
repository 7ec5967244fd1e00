"""What is in a GGUF file, read from its head: facts about the model, and each tensor's size.

The head is `GGUF`, a version, how many tensors and facts follow, the facts (name, type, value) and
the tensors (name, shape, type, place). Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

MAGIC: Final = b"GGUF"
MAX_NAME_BYTES: Final = 65535
MAX_COUNT: Final = 10_000_000
"""Of facts, tensors, and the values of a list: vocabularies have some 100,000."""
MAX_TEXT_BYTES: Final = 16 * 1024 * 1024
_NUMBERS: Final = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_TEXT: Final = 8
_LIST: Final = 9
_KEPT: Final = 4096
"""Values of a list that are kept: one for each layer, and not a vocabulary."""
PART: Final = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
"""Of a model in several files; llama.cpp finds the others beside the first."""
_BESIDE: Final = "mmproj"
"""Begins the name of what makes pictures into tokens, which stands beside many models."""
_LAYER: Final = re.compile(r"blk\.(\d{1,9})\.")


@dataclass(frozen=True, slots=True)
class Gguf:
    facts: Mapping[str, Any]
    tensors: Mapping[str, int]
    """By name, the bytes of each."""

    def said(self, name: str) -> Any:
        """A fact about its architecture, None where it is not told."""
        return self.facts.get(f"{self.facts.get('general.architecture')}.{name}")

    def number(self, name: str) -> int:
        """0 where it is not told."""
        return _whole(self.said(name))

    @property
    def layers(self) -> int:
        return self.number("block_count")

    @property
    def context_length(self) -> int:
        return self.number("context_length")

    def bytes_per_token(self, width: int) -> int:
        """Of its keys and values, in all layers."""
        heads, told = self.number("attention.head_count") or 1, self.said("attention.head_count_kv")
        size = self.number("embedding_length") // heads
        keys = self.number("attention.key_length") or size
        values = self.number("attention.value_length") or size
        if isinstance(told, list):  # models that mix kinds of layers say it of each
            kept = sum(map(_whole, told))
        else:
            kept = self.layers * (_whole(told) or heads)
        return kept * (keys + values) * width

    def bytes_of_last(self, layers: int) -> int:
        """Of so many of the last layers, counting what comes behind them as one."""
        first = self.layers + 1 - layers
        return sum(
            size for name, size in self.tensors.items() if _place(name, self.layers) >= first
        )


def _whole(fact: Any) -> int:
    """0 for what is no number of anything."""
    return fact if type(fact) is int and fact > 0 else 0


def _place(tensor: str, layers: int) -> int:
    """Its layer: embeddings come before all, and what is in none comes behind."""
    if match := _LAYER.match(tensor):
        return int(match[1])
    return -1 if tensor.startswith("token_embd") else layers


def ggufs_in(folder: Path) -> list[Path]:
    """The models in it, each by its first file."""
    return sorted(file for file in folder.glob("*.gguf") if _begins(file.name))


def gguf_at(place: Path, wanted: str) -> Path | None:
    """A model's file: `place` itself, or the `wanted` one in it; where none is wanted, the only
    one. None: it is not clear which."""
    if not place.is_dir():
        return place
    if wanted:
        return place / wanted
    found = ggufs_in(place)
    return found[0] if len(found) == 1 else None


def _begins(name: str) -> bool:
    part = PART.search(name)
    return not name.startswith(_BESIDE) and (part is None or int(part[1]) == 1)


def read_gguf(file: Path) -> Gguf | None:
    """All parts of a model. None where that is not what it is: who loads it says why."""
    facts: dict[str, Any] = {}
    tensors: dict[str, int] = {}
    try:
        for part in reversed(parts_of(file)):  # the first one has the facts that count
            told, sizes = _read(part)
            facts |= told
            tensors |= sizes
    except (OSError, ValueError, struct.error, RecursionError):
        return None
    return Gguf(facts, tensors) if tensors else None


def parts_of(file: Path) -> list[Path]:
    """All files of its model, whether they are there or not."""
    match = PART.search(file.name)
    if match is None:
        return [file]
    head, count = file.name[: match.start()], match[2]
    return [file.with_name(f"{head}-{n:05}-of-{count}.gguf") for n in range(1, int(count) + 1)]


def _read(file: Path) -> tuple[dict[str, Any], dict[str, int]]:
    with file.open("rb") as opened:
        head = _Head(opened)
        count, facts = head.begin()
        told = {head.text(MAX_NAME_BYTES): head.value(head.number("I")) for _ in range(facts)}
        places = [head.tensor() for _ in range(count)]
        step = told.get("general.alignment", 32)
        step = step if type(step) is int and step > 0 else 32
        data = -(-opened.tell() // step) * step
    return told, dict(_sizes(places, file.stat().st_size - data))


def _sizes(places: list[tuple[str, int]], total: int) -> Iterator[tuple[str, int]]:
    """Each ends where the next one begins."""
    by_place = sorted(places, key=lambda named: named[1])
    ends = [place for _, place in by_place[1:]] + [total]
    for (name, begin), end in zip(by_place, ends, strict=True):
        yield name, max(0, end - begin)


class _Head:
    """Raises `ValueError` and `struct.error` for what makes no sense."""

    def __init__(self, opened: BinaryIO) -> None:
        self._opened = opened

    def begin(self) -> tuple[int, int]:
        """How many tensors and facts there are."""
        if self._opened.read(4) != MAGIC or self.number("I") < 2:
            raise ValueError("no GGUF file, or one of a version that nobody has any more")
        return self._count(), self._count()

    def number(self, form: str) -> Any:
        form = f"<{form}"
        return struct.unpack(form, self._opened.read(struct.calcsize(form)))[0]

    def text(self, most: int = MAX_TEXT_BYTES) -> str:
        length = self.number("Q")
        if length > most:
            raise ValueError("a text of such a length is none")
        return self._opened.read(length).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind == _TEXT:
            return self.text()
        if kind == _LIST:
            return self._list()
        if kind not in _NUMBERS:
            raise ValueError("a fact of an unknown type")
        return self.number(_NUMBERS[kind])

    def tensor(self) -> tuple[str, int]:
        """Its name, and where it begins."""
        name = self.text(MAX_NAME_BYTES)
        sides = self.number("I")
        if sides > 8:
            raise ValueError("a tensor of so many sides is none")
        self._opened.seek(8 * sides + 4, 1)  # the sides and the type
        return name, self.number("Q")

    def _list(self) -> list[Any]:
        kind, count = self.number("I"), self._count()
        if kind in _NUMBERS and count > _KEPT:
            self._opened.seek(count * struct.calcsize(_NUMBERS[kind]), 1)
            return []
        kept = []
        for at in range(count):
            value = self.value(kind)
            if at < _KEPT:
                kept.append(value)
        return kept

    def _count(self) -> int:
        count = int(self.number("Q"))
        if count > MAX_COUNT:
            raise ValueError("so many there are of nothing")
        return count
