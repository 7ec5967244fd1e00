from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import CrossEncoder

from server.core.errors import ContextLengthExceeded, Internal, StartError
from server.core.settings import ModelSettings
from server.worker.engine import Engine
from server.worker.engines.rerank import load
from tests.fakes.engines import Said
from tests.fakes.tiny_reranker import POSITIONS, tiny_reranker

QUERY = "What sleeps in the sun?"
TEXTS = ["A cat sleeps in the sun.", "", "Tax law of 1994. " * 4, "A dog, 你好 🙂", "cat"]


def settings(folder: Path, **more: Any) -> ModelSettings:
    return ModelSettings(
        name="tiny", path=str(folder), engine="rerank", device="cpu", threads=1, **more
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_reranker(tmp_path_factory.mktemp("tiny") / "reranker")


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Engine]:
    engine = load(settings(folder), Said())
    yield engine
    engine.close()


async def test_its_scores_are_the_librarys(engine: Engine, folder: Path) -> None:
    library = CrossEncoder(str(folder), device="cpu", local_files_only=True)
    wanted = library.predict([(QUERY, text) for text in TEXTS], show_progress_bar=False)
    assert (await engine.rerank(QUERY, TEXTS)).scores == pytest.approx(wanted.tolist(), abs=1e-5)


async def test_tokens_are_those_of_each_pair_with_its_marks(engine: Engine) -> None:
    assert (await engine.rerank("hello", ["world", "hello world", ""])).tokens == 5 + 6 + 4


async def test_pairs_too_long_are_refused_by_name(engine: Engine) -> None:
    assert engine.context_length == POSITIONS
    with pytest.raises(ContextLengthExceeded, match="maximum context length is 128") as caught:
        await engine.rerank("fine", ["fine", "word " * 126, "x"])
    assert caught.value.param == "documents[1]"
    assert (await engine.rerank("fine", ["word " * 124])).tokens == 128


async def test_a_query_that_leaves_no_room_is_refused(engine: Engine, folder: Path) -> None:
    cutting = load(settings(folder, options={"truncate": True}), Said())
    for one in (engine, cutting):
        with pytest.raises(ContextLengthExceeded) as caught:
            await one.rerank("word " * 125, ["fine"])
        assert caught.value.param == "query"
    cutting.close()


async def test_documents_are_cut_when_the_operator_says_so(engine: Engine, folder: Path) -> None:
    cutting = load(settings(folder, options={"truncate": True}), Said())
    long = await cutting.rerank("a query", ["word " * 400_000, "short"])
    wanted = await engine.rerank("a query", ["word " * 123, "short"])
    assert long.scores == pytest.approx(wanted.scores, abs=1e-6)
    assert long.tokens == wanted.tokens == 128 + 6
    assert (await cutting.rerank("a query", ["word " * 400], 3)).tokens == 5 + 3
    cutting.close()


async def test_a_client_may_have_documents_cut(engine: Engine) -> None:
    cut = await engine.rerank("a query", ["unbelievable " * 4000], 100)
    assert cut.tokens == 5 + 100


async def test_many_documents_are_many_steps(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"{'word ' * (number % 40)}{number}" for number in range(100)]
    whole = await engine.rerank(QUERY, texts)
    monkeypatch.setattr(engine, "_step_chars", 100)
    assert (await engine.rerank(QUERY, texts)).scores == pytest.approx(whole.scores, abs=1e-5)


async def test_leaving_stops_it_within_one_step(engine: Engine) -> None:
    late = engine.tokens_after_cancel
    for _ in range(3):
        task = asyncio.create_task(engine.rerank(QUERY, ["word " * 100] * 500))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
    async with asyncio.timeout(5):
        await engine.rerank(QUERY, TEXTS)
    assert engine.tokens_after_cancel - late <= 3


async def test_positions_behind_the_padding_are_none_to_read(tmp_path: Path) -> None:
    folder = tiny_reranker(tmp_path / "kin", kin="xlm-roberta")
    engine = load(settings(folder), Said())
    assert engine.context_length == POSITIONS - 2
    assert (await engine.rerank("fine", ["word " * 122])).tokens == POSITIONS - 2
    with pytest.raises(ContextLengthExceeded):
        await engine.rerank("fine", ["word " * 123])
    engine.close()
    with pytest.raises(StartError, match=r"'tiny': context_length is 127.* 126 tokens"):
        load(settings(folder, context_length=127), Said())


async def test_a_context_of_the_operators_is_kept_to(folder: Path) -> None:
    engine = load(settings(folder, context_length=16), Said())
    with pytest.raises(ContextLengthExceeded, match="length is 16 tokens"):
        await engine.rerank("fine", ["word " * 14])
    engine.close()


async def test_scores_that_are_no_numbers_are_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load(settings(folder), Said())
    head = engine._model[0].auto_model.classifier  # type: ignore[attr-defined]
    torch.nn.init.constant_(head.bias, float("nan"))
    with pytest.raises(Internal):
        await engine.rerank("fine", ["fine"])
    engine.close()


def test_an_embedding_model_is_no_reranker() -> None:
    wanted = ModelSettings(
        name="minilm", path="bundled:all-MiniLM-L6-v2", engine="rerank", device="cpu"
    )
    with pytest.raises(StartError, match="'minilm': it is a BertModel and no reranker"):
        load(wanted, Said())


def test_a_chat_model_is_no_reranker(tiny_llama: Path) -> None:
    with pytest.raises(StartError, match="'tiny': it is a LlamaForCausalLM and no reranker"):
        load(settings(tiny_llama), Said())


def test_a_classifier_of_several_labels_has_no_one_score(tmp_path: Path) -> None:
    folder = tiny_reranker(tmp_path / "several", labels=3)
    with pytest.raises(StartError, match="'tiny': it has 3 labels"):
        load(settings(folder), Said())


def test_what_cannot_be_read_is_named(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vroom"}))
    with pytest.raises(StartError, match="'tiny' cannot be loaded"):
        load(settings(tmp_path), Said())


def test_memory_per_gpu_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(StartError, match="'tiny': memory_per_gpu has no effect"):
        load(settings(folder, memory_per_gpu="1GiB"), Said())


async def test_what_the_library_saved_as_a_reranker_is_one(tmp_path: Path, folder: Path) -> None:
    saved = tmp_path / "saved"
    CrossEncoder(str(folder), device="cpu", local_files_only=True).save_pretrained(str(saved))
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(config | {"architectures": ["Odd"]}))
    engine = load(settings(saved), Said())
    assert (await engine.rerank("hello", ["world"])).tokens == 5
    engine.close()
