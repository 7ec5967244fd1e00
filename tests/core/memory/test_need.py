from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from server.core.memory.need import CUDA_BYTES, KEPT_BYTES, PROCESS_BYTES, Need, need_of
from server.core.memory.refusal import refusal
from server.core.memory.sizes import bytes_of, in_words
from server.core.settings import ModelSettings
from tests.core.memory.test_weights import write

CONFIG = {
    "hidden_size": 64,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "num_hidden_layers": 3,
    "max_position_embeddings": 131072,
    "dtype": "bfloat16",
}
PER_TOKEN = 2 * 3 * 2 * 8  # keys and values, layers, heads that are kept, width of a head


def settings(**more: Any) -> ModelSettings:
    return ModelSettings(**({"name": "m", "path": "x", "slots": 2} | more))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "model.safetensors", a=("BF16", [1000], 2000))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def test_a_cpu_holds_it_in_float32_with_room_for_its_texts(folder: Path) -> None:
    cache = PER_TOKEN * 4 * 2 * 2048 + KEPT_BYTES
    assert need_of(settings(), folder, "cpu") == Need(4000, cache, PROCESS_BYTES)


def test_a_gpu_holds_it_as_it_is_unless_told_otherwise(folder: Path) -> None:
    short = settings(context_length=100)
    assert need_of(short, folder, "cuda") == Need(
        2000, PER_TOKEN * 2 * 2 * 100 + KEPT_BYTES, CUDA_BYTES
    )
    need = need_of(settings(dtype="float32"), folder, "cuda")
    assert need is not None
    assert need.weights == 4000


PRODUCT = ("BF16", [64, 128], 2 * 64 * 128)
EMBEDDINGS = ("BF16", [500, 64], 2 * 500 * 64)


@pytest.fixture
def layered(tmp_path: Path) -> Path:
    """One layer with a product and a norm, and what has a row for each of 500 tokens."""
    tensors = {
        "model.layers.0.up_proj.weight": PRODUCT,
        "model.norm.weight": ("BF16", [64], 128),
        "model.embed_tokens.weight": EMBEDDINGS,
        "lm_head.weight": EMBEDDINGS,
    }
    write(tmp_path / "model.safetensors", **tensors)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"vocab_size": 500}))
    return tmp_path


WHOLE = 64 + 2 * 500 * 64
"""Numbers that are not made smaller."""


@pytest.mark.parametrize(
    ("kind", "product"),
    [
        ("bitsandbytes-8bit", 64 * 128 + 64 * 4),
        ("bitsandbytes-4bit", 64 * 128 // 2 + 64 * 128 // 64 * 4),
    ],
)
def test_products_that_are_made_smaller_count_so(layered: Path, kind: str, product: int) -> None:
    need = need_of(settings(quantization=kind), layered, "cpu")
    assert need is not None
    assert need.weights == 4 * WHOLE + product
    assert f"by {kind}" in str(need)
    on_gpu = need_of(settings(quantization=kind), layered, "cuda")
    assert on_gpu is not None
    assert on_gpu.weights == 2 * WHOLE + product


@pytest.mark.parametrize(
    ("kind", "device", "more"),
    [("I32", "cpu", 64 * 128 * 4), ("F8_E4M3", "cuda", 0), ("F8_E4M3", "cpu", 64 * 128 * 4)],
)
def test_files_that_are_unpacked_count_in_full(
    folder: Path, kind: str, device: str, more: int
) -> None:
    bits = 4 if kind == "I32" else 8
    packed = (kind, [64, 128 * bits // 32], 64 * 128 * bits // 8)
    scales = ("BF16", [64], 128)
    write(folder / "model.safetensors", **{"a.weight_packed": packed, "a.weight_scale": scales})
    groups = {"all": {"weights": {"num_bits": bits}}}
    said = {"quant_method": "compressed-tensors", "config_groups": groups}
    (folder / "config.json").write_text(json.dumps(CONFIG | {"quantization_config": said}))
    need = need_of(settings(), folder, device)
    assert need is not None
    width = 4 if device == "cpu" else 2
    assert need.weights == packed[2] + 64 * width + more
    assert "of compressed-tensors, which are unpacked" in str(need)


def test_other_files_of_few_bits_count_as_they_are(folder: Path) -> None:
    write(folder / "model.safetensors", a=("I32", [10], 40), b=("F16", [4], 8))
    said = {"quantization_config": {"quant_method": "gptq"}}
    (folder / "config.json").write_text(json.dumps(CONFIG | said))
    need = need_of(settings(), folder, "cuda")
    assert need is not None
    assert need.weights == 48
    assert "of gptq" in str(need)


def test_adapters_count_in_the_models_precision(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "tone"
    place.mkdir()
    write(place / "adapter_model.safetensors", a=("F32", [8, 64], 2048), b=("F32", [64, 8], 2048))
    adapters = {"tone": str(place), "gone": str(tmp_path / "gone")}
    for device, width in (("cpu", 4), ("cuda", 2)):
        need = need_of(settings(adapters=adapters), folder, device)
        plain = need_of(settings(), folder, device)
        assert need is not None
        assert plain is not None
        assert need.adapters == 2 * 8 * 64 * width
        assert need.total == plain.total + need.adapters
        assert "adapters 0 MiB" in str(need)


def test_what_was_counted_for_texts_is_said(folder: Path) -> None:
    assert "for 2 of 100 tokens" in str(need_of(settings(context_length=100), folder, "cpu"))


def test_an_operator_knows_better(folder: Path) -> None:
    assert need_of(settings(memory="2GiB"), folder, "cpu") == Need(2 * 2**30)
    assert need_of(settings(memory="unchecked"), folder, "cpu") is None
    echo = settings(engine="echo", path="", memory="5MB")
    assert need_of(echo, None, "cpu") == Need(5_000_000)


def test_of_what_is_not_here_nobody_knows(tmp_path: Path) -> None:
    assert need_of(settings(), None, "cpu") is None
    assert need_of(settings(), tmp_path, "cpu") is None
    assert need_of(settings(engine="echo", path=""), tmp_path, "cpu") is None


@pytest.mark.parametrize(
    "config", ["", "[]", "[" * 100_000, '{"num_hidden_layers": "many"}', '{"head_dim": -1}']
)
def test_a_config_without_sense_costs_only_the_room_for_texts(folder: Path, config: str) -> None:
    (folder / "config.json").write_text(config)
    assert need_of(settings(), folder, "cpu") == Need(4000, KEPT_BYTES, PROCESS_BYTES)


def test_a_refusal_names_the_model_the_amounts_and_the_way_out() -> None:
    words = refusal("big", Need(16 * 2**30, 2**30, 2**29), 3 * 2**30, "on the CPU")
    assert words.startswith(
        "model 'big' needs about 17.5 GiB (weights 16.0 GiB, texts 1.0 GiB, the rest 0.5 GiB) "
        "of memory on the CPU, and 3.0 GiB are free there: choose a smaller model"
    )
    assert "`unchecked`" in words


def test_amounts_are_read_and_written() -> None:
    assert bytes_of("1.5GiB") == 3 * 2**29
    assert (in_words(2**30), in_words(5 * 2**20)) == ("1.0 GiB", "5 MiB")
    with pytest.raises(ValueError, match="amount"):
        bytes_of("5 apples")
