"""What every engine that sorts documents keeps to; a new one is found by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.core.errors import ContextLengthExceeded
from server.worker.engine import Engine
from server.worker.engines import load_engine
from tests.fakes.engines import Said, kinds_that, settings_for


@pytest.fixture(scope="module", params=kinds_that("rerank"))
def reranker(tiny_llama: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = load_engine(settings_for(request.param, tiny_llama), Said())
    yield engine
    engine.close()


async def test_scores_are_odds_in_the_order_of_the_documents(reranker: Engine) -> None:
    texts = [f"text number {number} " * (number % 5 + 1) for number in range(40)]
    together = await reranker.rerank("number 7", texts)
    assert all(0 <= score <= 1 for score in together.scores)
    assert len(set(together.scores)) > 1
    for index in range(0, 40, 13):
        alone = await reranker.rerank("number 7", [texts[index]])
        assert alone.scores[0] == pytest.approx(together.scores[index], abs=1e-4)


async def test_each_pair_counts_its_tokens(reranker: Engine) -> None:
    texts = ["one", "two three four", ""]
    alone = [(await reranker.rerank("one two", [text])).tokens for text in texts]
    assert (await reranker.rerank("one two", texts)).tokens == sum(alone)
    assert alone[2] < alone[0] < alone[1]


async def test_no_more_of_a_document_is_read_than_asked_for(reranker: Engine) -> None:
    text = "one two three four five six"
    cut = await reranker.rerank("one", [text, text], 2)
    short = await reranker.rerank("one", ["one two", "one two"])
    assert (cut.scores, cut.tokens) == (short.scores, short.tokens)


async def test_what_is_too_long_to_rerank_is_refused(reranker: Engine) -> None:
    for query, documents, param in [
        ("x " * 200_000, ["one"], "query"),
        ("one", ["one", "x " * 200_000], "documents[1]"),
    ]:
        with pytest.raises(ContextLengthExceeded) as caught:
            await reranker.rerank(query, documents)
        assert caught.value.param == param


async def test_one_who_leaves_does_not_disturb_other_rerankings(reranker: Engine) -> None:
    texts = [f"text {number}" for number in range(100)]
    alone = await reranker.rerank("text", texts)
    staying = asyncio.create_task(reranker.rerank("text", texts))
    leaving = [asyncio.create_task(reranker.rerank("text", texts)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    assert (await staying).scores == pytest.approx(alone.scores)
