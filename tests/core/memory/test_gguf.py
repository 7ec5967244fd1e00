from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from server.core.memory.gguf import Gguf, gguf_at, read_gguf
from server.core.memory.need import CUDA_BYTES, LLAMA_BYTES, Need, gguf_need, need_of
from server.core.settings import ModelSettings

FACTS = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 1000,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 8,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": [f"word {n}" for n in range(9000)],
    "tokenizer.ggml.scores": [0.5] * 9000,
}
TENSORS = {
    "token_embd.weight": 3200,
    "blk.0.attn_q.weight": 640,
    "blk.1.attn_q.weight": 704,
    "output_norm.weight": 256,
    "output.weight": 3232,
}
PER_TOKEN = 2 * 2 * 8 * 2  # keys and values, heads that are kept, width of a head, layers


def text(said: str) -> bytes:
    raw = said.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(said: Any) -> bytes:
    """Its type and itself."""
    if isinstance(said, list):
        values = [value(one) for one in said]
        kind = values[0][:4]
        return (
            struct.pack("<I", 9)
            + kind
            + struct.pack("<Q", len(said))
            + b"".join(v[4:] for v in values)
        )
    if isinstance(said, str):
        return struct.pack("<I", 8) + text(said)
    return struct.pack("<If", 6, said) if isinstance(said, float) else struct.pack("<II", 4, said)


def write(file: Path, facts: dict[str, Any] = FACTS, tensors: dict[str, int] = TENSORS) -> Path:
    """With as many bytes behind the head as the tensors have."""
    raw = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(facts))
    raw += b"".join(text(name) + value(said) for name, said in facts.items())
    at = 0
    for name, size in tensors.items():
        raw += text(name) + struct.pack("<IQQIQ", 2, 1, 1, 0, at)
        at += size
    file.write_bytes(raw + bytes(-len(raw) % 32) + bytes(at))
    return file


def settings(**more: Any) -> ModelSettings:
    return ModelSettings(**({"name": "m", "path": "x", "engine": "llama_cpp", "slots": 2} | more))


def read(file: Path) -> Gguf:
    found = read_gguf(file)
    assert found is not None
    return found


def test_facts_and_the_size_of_each_tensor_are_read(tmp_path: Path) -> None:
    gguf = read(write(tmp_path / "a.gguf"))
    assert gguf.tensors == TENSORS
    assert (gguf.layers, gguf.context_length) == (2, 1000)
    assert gguf.bytes_per_token(2) == PER_TOKEN * 2


def test_layers_that_keep_different_heads_are_counted_each(tmp_path: Path) -> None:
    facts = FACTS | {"llama.attention.head_count_kv": [2, 0], "llama.attention.key_length": 16}
    assert read(write(tmp_path / "a.gguf", facts)).bytes_per_token(4) == 2 * (16 + 8) * 4


@pytest.mark.parametrize("told", ["many", ["many"], float("nan"), float("inf")])
def test_facts_without_sense_stop_nobody(told: Any, tmp_path: Path) -> None:
    facts = FACTS | {"llama.attention.head_count_kv": told}
    gguf = read(write(tmp_path / "a.gguf", facts, TENSORS | {f"blk.{'9' * 5000}.a": 32}))
    assert gguf.bytes_per_token(2) >= 0
    assert gguf.bytes_of_last(2) > 0


def test_all_parts_of_a_model_count(tmp_path: Path) -> None:
    first = write(tmp_path / "a-00001-of-00002.gguf", tensors={"blk.0.a": 320})
    write(tmp_path / "a-00002-of-00002.gguf", {"split.no": 1}, {"blk.1.a": 640})
    assert read(first).tensors == {"blk.0.a": 320, "blk.1.a": 640}
    (tmp_path / "a-00002-of-00002.gguf").unlink()
    assert read_gguf(first) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"GGUF",
        b"GGML" + bytes(100),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + struct.pack("<Q", 2**60),
        b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + text("a") + struct.pack("<I", 99),
        b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + text("a") + struct.pack("<I", 9)
        + struct.pack("<IQ", 9, 1) * 5000,
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_nothing(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "a.gguf"
    file.write_bytes(raw)
    assert read_gguf(file) is None
    assert need_of(settings(), file, "cpu") is None


def test_the_models_file_is_found_as_its_worker_finds_it(tmp_path: Path) -> None:
    assert gguf_at(tmp_path, "") is None
    one = write(tmp_path / "a.gguf")
    write(tmp_path / "mmproj-a.gguf")
    assert gguf_at(tmp_path, "") == gguf_at(one, "") == one
    write(tmp_path / "b.gguf")
    assert gguf_at(tmp_path, "") is None
    assert gguf_at(tmp_path, "b.gguf") == tmp_path / "b.gguf"


def test_the_room_for_all_texts_is_taken_at_once(tmp_path: Path) -> None:
    file = write(tmp_path / "a.gguf")
    weights = sum(TENSORS.values())
    cache = PER_TOKEN * 2 * 2 * 1000
    assert need_of(settings(), file, "cpu") == Need(weights, cache, LLAMA_BYTES)
    assert "for 2000 tokens" in str(need_of(settings(), tmp_path, "cpu"))
    short = need_of(settings(context_length=100, dtype="float32"), file, "cpu")
    assert short == Need(weights, PER_TOKEN * 4 * 200, LLAMA_BYTES)
    assert need_of(settings(options={"kv_tokens": "many"}), file, "cpu") == need_of(
        settings(), file, "cpu"
    )
    said = need_of(settings(options={"kv_tokens": 300}), file, "cpu")
    assert said == Need(weights, PER_TOKEN * 2 * 300, LLAMA_BYTES)


def test_where_room_is_scarce_it_is_a_share_of_it_and_at_least_one_text(tmp_path: Path) -> None:
    gguf = read(write(tmp_path / "a.gguf"))
    room = sum(TENSORS.values()) + LLAMA_BYTES + PER_TOKEN * 2 * 1000
    assert gguf_need(settings(), gguf, "cpu", room).cache == PER_TOKEN * 2 * 600
    assert gguf_need(settings(context_length=900), gguf, "cpu", room).cache == PER_TOKEN * 2 * 900
    assert gguf_need(settings(), gguf, "cpu", 0).cache == 0


def test_a_gpu_holds_the_layers_that_it_is_given(tmp_path: Path) -> None:
    gguf = read(write(tmp_path / "a.gguf"))
    behind = TENSORS["output_norm.weight"] + TENSORS["output.weight"]
    cache = PER_TOKEN * 2 * 2000
    all_ = Need(behind + 640 + 704, cache, CUDA_BYTES)
    assert gguf_need(settings(), gguf, "cuda", 1) == all_
    two = gguf_need(settings(options={"n_gpu_layers": 2}), gguf, "cuda", 1)
    assert two == Need(behind + 704, cache, CUDA_BYTES)
    one = gguf_need(settings(options={"n_gpu_layers": 1}), gguf, "cuda", 1)
    assert one == Need(behind, cache // 2, CUDA_BYTES)
