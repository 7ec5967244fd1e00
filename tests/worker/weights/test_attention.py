from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from server.core.errors import StartError
from server.core.settings import ModelSettings
from server.worker.asked import Ask, Text
from server.worker.engine import Engine
from server.worker.engines import load_engine
from server.worker.weights import attention as attention_file
from server.worker.weights.attention import attention, check_attention
from tests.fakes.engines import Said

PROMPTS = ["hello world, how are", "你好，世界。🙂", "a"]
FLASH = "flash_attention_2"


def settings(way: str | None, folder: Path | str = "x", **more: Any) -> ModelSettings:
    values = {"name": "tiny", "path": str(folder), "device": "cpu", "attention": way, "threads": 1}
    return ModelSettings.model_validate(values | more)


@pytest.fixture(params=["sdpa", "eager"])
def engine(request: pytest.FixtureRequest, tiny_llama: Path) -> Iterator[Engine]:
    engine = load_engine(settings(request.param, tiny_llama), Said())
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def usual(tiny_llama: Path) -> Iterator[Engine]:
    engine = load_engine(settings(None, tiny_llama), Said())
    yield engine
    engine.close()


async def text_of(engine: Engine, prompt: str) -> str:
    prepared = await engine.prepare(Text(prompt))
    ask = Ask(max_tokens=20, temperature=0)
    return "".join([delta.text async for delta in engine.generate(prepared, ask)])


@pytest.mark.anyio
async def test_greedy_answers_are_the_same_alone_and_in_a_batch(
    engine: Engine, usual: Engine
) -> None:
    alone = [await text_of(usual, prompt) for prompt in PROMPTS]
    together = await asyncio.gather(*(text_of(engine, prompt) for prompt in PROMPTS))
    assert together == alone
    assert any(alone)


def test_it_is_what_the_model_was_told(engine: Engine, request: pytest.FixtureRequest) -> None:
    model: Any = engine._model  # type: ignore[attr-defined]
    assert model.config._attn_implementation == request.node.callspec.params["engine"]


def test_flash_attention_needs_a_gpu() -> None:
    with pytest.raises(StartError, match=r"'tiny': .*flash_attention_2 needs a GPU.*cpu; remove"):
        attention(settings(FLASH), "cpu")


def test_flash_attention_needs_its_package_and_nothing_is_fetched_in_its_place() -> None:
    with pytest.raises(StartError, match="pip install flash-attn, or say sdpa"):
        attention(settings(FLASH), "cuda")


def test_flash_attention_needs_half_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_file, "is_flash_attn_2_available", lambda: True)
    assert attention(settings(FLASH), "cuda") == {"attn_implementation": FLASH}
    with pytest.raises(StartError, match="say dtype: bfloat16"):
        attention(settings(FLASH, dtype="float32"), "cuda")
    config = SimpleNamespace(_attn_implementation=FLASH)
    model = SimpleNamespace(
        config=SimpleNamespace(get_text_config=lambda: config), dtype=torch.float32
    )
    with pytest.raises(StartError, match="loaded as float32"):
        check_attention(settings(FLASH), model)
    model.dtype = torch.bfloat16
    check_attention(settings(FLASH), model)


def test_a_model_that_reckons_otherwise_is_not_used() -> None:
    config = SimpleNamespace(_attn_implementation="eager")
    model = SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: config))
    with pytest.raises(StartError, match="sdpa is not what it uses, but eager"):
        check_attention(settings("sdpa"), model)


def test_engines_that_know_nothing_of_it_say_so() -> None:
    with pytest.raises(StartError, match="'echo' takes no attention"):
        load_engine(settings("eager", "", engine="echo"), Said())
