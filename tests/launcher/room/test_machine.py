from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.core.memory.room import Room
from server.core.settings import ModelSettings
from server.launcher.room.machine import device_of, gpus, room_for

GIB = 2**30
TWO = [Room(10 * GIB, 24 * GIB), Room(20 * GIB, 24 * GIB)]


def settings(**more: Any) -> ModelSettings:
    return ModelSettings(**({"name": "m", "path": "x"} | more))


def nvidia_smi(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_gpus_are_as_the_driver_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_smi(tmp_path, "printf '10240, 24576\\n20480, 24576\\n'", monkeypatch)
    assert gpus() == TWO


def test_a_driver_that_fails_has_no_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_smi(tmp_path, "exit 9", monkeypatch)
    assert gpus() == []


@pytest.mark.parametrize(
    ("more", "free"),
    [
        ({}, 30),
        ({"gpus": (1,)}, 20),
        ({"gpus": (0, 7)}, 10),
        ({"engine": "embeddings"}, 10),
        ({"memory_per_gpu": "12GiB"}, 22),
    ],
)
def test_a_model_has_the_room_of_the_gpus_it_may_use(more: dict[str, Any], free: int) -> None:
    assert room_for(settings(**more), "cuda", TWO).free == free * GIB


def test_a_device_that_is_named_is_taken() -> None:
    assert device_of(settings(device="cpu"), TWO) == "cpu"
    assert device_of(settings(device="cuda"), []) == "cuda"


def test_a_gguf_model_is_on_gpus_only_if_llama_cpp_was_built_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    (tmp_path / "llama_cpp/lib").mkdir(parents=True)
    (tmp_path / "llama_cpp/__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    model = settings(engine="llama_cpp")
    assert device_of(model, TWO) == "cpu"
    (tmp_path / "llama_cpp/lib/libggml-cuda.so").touch()
    assert device_of(model, TWO) == "cuda"
    assert device_of(model, []) == "cpu"
