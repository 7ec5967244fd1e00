from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from server.core.memory.weights import INDEX, Tensor, read_weights


def write(file: Path, **tensors: tuple[str, list[int], int]) -> None:
    """Heads alone: by name, the type, the shape and the bytes of each tensor."""
    head: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (kind, shape, size) in tensors.items():
        head[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    raw = json.dumps(head).encode()
    file.write_bytes(len(raw).to_bytes(8, "little") + raw)


def head(json: bytes) -> bytes:
    return len(json).to_bytes(8, "little") + json


def test_floats_are_counted_apart_from_what_keeps_its_type(tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors", a=("BF16", [3, 4], 24), b=("I8", [5], 5))
    weights = read_weights(tmp_path)
    assert weights is not None
    assert weights.heads["a"] == Tensor("BF16", (3, 4), 24)
    assert weights.bytes_as(4) == 53
    assert weights.bytes_as(None) == 29


def test_only_the_files_of_the_index_count(tmp_path: Path) -> None:
    write(tmp_path / "one.safetensors", a=("F32", [1], 4))
    write(tmp_path / "two.safetensors", b=("F32", [2], 8))
    write(tmp_path / "consolidated.safetensors", a=("F32", [3], 12))
    names = {"a": "one.safetensors", "b": "two.safetensors"}
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": names}))
    weights = read_weights(tmp_path)
    assert weights is not None
    assert weights.tensors == {"a": 4, "b": 8}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff" * 8,
        *map(
            head,
            (
                b"[1,2]",
                b"{}",
                b"[" * 100_000,
                b'{"a": {"dtype": "F32", "shape": [1e999], "data_offsets": [0, 4]}}',
                b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, Infinity]}}',
            ),
        ),
    ],
)
def test_what_is_no_head_is_nothing(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(raw)
    assert read_weights(tmp_path) is None


def test_an_index_that_names_files_elsewhere_reads_none_of_them(tmp_path: Path) -> None:
    inside = tmp_path / "model"
    inside.mkdir()
    write(tmp_path / "secret.safetensors", a=("F32", [1], 4))
    (inside / INDEX).write_text(json.dumps({"weight_map": {"a": "../secret.safetensors"}}))
    assert read_weights(inside) is None
