from __future__ import annotations

from typing import Any

import pytest
import torch

from server.core.errors import StartError
from server.core.settings import ModelSettings
from server.worker.weights.device import one_device


@pytest.fixture(autouse=True)
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def settings(**more: Any) -> ModelSettings:
    return ModelSettings(name="minilm", path="x", engine="embeddings", **more)


@pytest.mark.parametrize(
    ("gpus", "device"), [((), "cuda:0"), ((1,), "cuda:1"), ((0, 1), "cuda:0"), ((2, 3), "cuda:0")]
)
def test_a_model_that_cannot_be_split_takes_the_first_gpu(
    gpus: tuple[int, ...], device: str
) -> None:
    assert one_device(settings(gpus=gpus), "cuda") == device


def test_gpus_that_are_not_used_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    one_device(settings(gpus=(0,)), "cuda")
    assert caplog.text == ""
    one_device(settings(gpus=(0, 1)), "cuda")
    assert "uses the first of its GPUs" in caplog.text


def test_without_gpus_nothing_is_numbered() -> None:
    assert one_device(settings(), "cpu") == "cpu"


def test_a_limit_that_it_cannot_keep_is_refused() -> None:
    with pytest.raises(StartError, match="memory_per_gpu"):
        one_device(settings(memory_per_gpu="20GiB"), "cpu")
