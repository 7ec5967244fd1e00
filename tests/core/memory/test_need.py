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


def test_an_operator_knows_better(folder: Path) -> None:
    assert need_of(settings(memory="2GiB"), folder, "cpu") == Need(2 * 2**30)
    assert need_of(settings(memory="unchecked"), folder, "cpu") is None
    echo = settings(engine="echo", path="", memory="5MB")
    assert need_of(echo, None, "cpu") == Need(5_000_000)


def test_of_what_is_not_here_nobody_knows(tmp_path: Path) -> None:
    assert need_of(settings(), None, "cpu") is None
    assert need_of(settings(), tmp_path, "cpu") is None
    assert need_of(settings(engine="echo", path=""), tmp_path, "cpu") is None


@pytest.mark.parametrize("config", ["", "[]", '{"num_hidden_layers": "many"}', '{"head_dim": -1}'])
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
