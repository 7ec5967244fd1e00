from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.core.errors import BadRequest, ContextLengthExceeded, StartError
from server.core.settings import ModelSettings
from server.worker.engine import Engine
from server.worker.engines import embeddings
from server.worker.engines.embeddings import load
from tests.fakes.engines import Said
from tests.fakes.tiny_reranker import POSITIONS, tiny_reranker


def settings(**more: Any) -> ModelSettings:
    path = "bundled:all-MiniLM-L6-v2"
    return ModelSettings(name="minilm", path=path, engine="embeddings", device="cpu", **more)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = load(settings(threads=1), Said())
    yield engine
    engine.close()


async def test_what_means_the_same_is_closer(engine: Engine) -> None:
    cat, kitten, tax = (
        await engine.embed(["A cat sleeps.", "The kitten is napping.", "Tax law of 1994."])
    ).vectors

    def closeness(a: Any, b: Any) -> float:
        return float(sum(x * y for x, y in zip(a, b, strict=True)))

    assert closeness(cat, kitten) > closeness(cat, tax) + 0.3


async def test_a_text_too_long_is_refused(engine: Engine) -> None:
    with pytest.raises(ContextLengthExceeded, match="maximum context length is 256 tokens"):
        await engine.embed(["fine", "word " * 400])


async def test_a_text_too_long_is_cut_when_the_operator_says_so() -> None:
    cutting = load(settings(threads=1, options={"truncate": True}), Said())
    found = await cutting.embed(["word " * 400])
    assert found.tokens == 256
    assert found.vectors == (await cutting.embed(["word " * 300])).vectors
    cutting.close()


async def test_tokens_are_counted_with_their_marks(engine: Engine) -> None:
    assert (await engine.embed(["hello", "hello world"])).tokens == 3 + 4


async def test_a_token_it_does_not_have_is_refused(engine: Engine) -> None:
    with pytest.raises(BadRequest):
        await engine.embed([(10**6,)])


def test_weights_that_are_not_the_published_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"another model")
    monkeypatch.setattr(embeddings, "find_model", lambda *_: tmp_path)
    with pytest.raises(StartError, match=r"'minilm'.*not the published file"):
        load(settings(), Said())


class Untouchable:
    """A tokenizer that must not be asked."""

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("it was tokenised")


@pytest.mark.parametrize("inputs", [["fine", "x" * 100_000], [(100,) * 300]])
async def test_what_cannot_fit_is_not_tokenised(
    engine: Engine, inputs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_tokenizer", Untouchable())
    with pytest.raises(ContextLengthExceeded, match="maximum context length is 256 tokens"):
        await engine.embed(inputs)


async def test_the_share_that_is_cut_costs_nothing() -> None:
    cutting = load(settings(threads=1, options={"truncate": True}), Said())
    whole = await cutting.embed(["word " * 2000])
    assert (await cutting.embed(["word " * 400_000])).vectors == whole.vectors
    assert (await cutting.embed([(7592,) * 400_000])).tokens == 256
    cutting.close()


def test_memory_per_gpu_is_refused_by_name() -> None:
    with pytest.raises(StartError, match="'minilm': memory_per_gpu has no effect"):
        load(settings(memory_per_gpu="1GiB"), Said())


def test_a_context_beyond_the_models_own_is_refused() -> None:
    with pytest.raises(StartError, match=r"'minilm': context_length is 1000.* 512 tokens"):
        load(settings(context_length=1000), Said())


async def test_positions_that_begin_behind_the_paddings_are_as_many_as_there_are(
    tmp_path: Path,
) -> None:
    """XLM-RoBERTa and its kin: `max_position_embeddings` counts two that no text can have."""
    folder = str(tiny_reranker(tmp_path, kin="xlm-roberta"))
    engine = load(settings(threads=1).model_copy(update={"path": folder}), Said())
    try:
        assert engine.context_length == POSITIONS - 2
        await engine.embed(["word " * (POSITIONS - 4)])
        with pytest.raises(ContextLengthExceeded):
            await engine.embed(["word " * (POSITIONS - 3)])
    finally:
        engine.close()
