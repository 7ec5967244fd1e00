"""`POST /v1/rerank` at a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.core.settings import ModelSettings
from server.wire.lanes import Lane
from server.wire.rerank import MAX_DOCUMENTS, RERANK
from server.worker.asked import Reranked
from server.worker.engines.echo import EchoEngine
from tests.fakes.engines import FailingEngine
from tests.fakes.tiny_reranker import POSITIONS, tiny_reranker
from tests.fakes.waiting import until
from tests.fakes.worker import Worker, local_worker

TEXTS = ["nothing", "one two three", "one"]
ASKED: dict[str, Any] = {"model": "echo", "query": "one two", "documents": TEXTS}


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with local_worker() as worker:
        yield worker


async def ask(worker: Worker, **fields: Any) -> httpx.Response:
    return await worker.http.post(RERANK, json=ASKED | fields)


async def test_the_best_come_first_with_their_documents(worker: Worker) -> None:
    answer = (await ask(worker)).json()
    assert answer.pop("id").startswith("rerank-")
    assert answer == {
        "model": "echo",
        "results": [
            {"index": 1, "relevance_score": 1.0, "document": {"text": "one two three"}},
            {"index": 2, "relevance_score": 0.5, "document": {"text": "one"}},
            {"index": 0, "relevance_score": 0.0, "document": {"text": "nothing"}},
        ],
        "usage": {"prompt_tokens": 11, "total_tokens": 11},
    }


async def test_of_equals_the_first_comes_first(worker: Worker) -> None:
    answer = (await ask(worker, documents=["one", "x", "two", "one"])).json()
    assert [result["index"] for result in answer["results"]] == [0, 2, 3, 1]


async def test_documents_may_be_objects_and_are_left_out_when_not_wanted(worker: Worker) -> None:
    documents = [{"text": text, "id": 1} for text in TEXTS]
    answer = (await ask(worker, documents=documents, return_documents=False, top_n=2)).json()
    assert answer["results"] == [
        {"index": 1, "relevance_score": 1.0},
        {"index": 2, "relevance_score": 0.5},
    ]
    assert answer["usage"]["total_tokens"] == 11


@pytest.mark.parametrize("top_n", [3, 4, 2**31 - 1, None])
async def test_no_more_than_all_are_told(worker: Worker, top_n: int | None) -> None:
    assert len((await ask(worker, top_n=top_n)).json()["results"]) == 3


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"documents": []}, "documents", "empty_array"),
        ({"documents": ["x"] * 10_000}, "documents", "array_above_max_length"),
        ({"documents": ["x"] * (MAX_DOCUMENTS + 1)}, "documents", "array_above_max_length"),
        ({"documents": None}, "documents", "invalid_type"),
        ({"documents": "x"}, "documents", "invalid_type"),
        ({"documents": {"text": "x"}}, "documents", "invalid_type"),
        ({"documents": ["x", None]}, "documents[1]", "invalid_type"),
        ({"documents": ["x", ["y"]]}, "documents[1]", "invalid_type"),
        ({"documents": ["x", {"title": "y"}]}, "documents[1].text", "invalid_value"),
        ({"documents": ["x", {"text": 1}]}, "documents[1].text", "invalid_value"),
        ({"query": None}, "query", "invalid_type"),
        ({"query": ""}, "query", "empty_string"),
        ({"query": " \n\t"}, "query", "invalid_value"),
        ({"query": ["x"]}, "query", "invalid_type"),
        ({"query": "x " * 100_000}, "query", "context_length_exceeded"),
        ({"documents": ["x", "y " * 100_000]}, "documents[1]", "context_length_exceeded"),
        ({"top_n": 0}, "top_n", "integer_below_min_value"),
        ({"top_n": -1}, "top_n", "integer_below_min_value"),
        ({"top_n": 2**31}, "top_n", "integer_above_max_value"),
        ({"top_n": 1.5}, "top_n", "invalid_type"),
        ({"top_n": "1"}, "top_n", "invalid_type"),
        ({"return_documents": "yes"}, "return_documents", "invalid_type"),
        ({"max_tokens_per_doc": 0}, "max_tokens_per_doc", "integer_below_min_value"),
        ({"rank_fields": ["title"]}, "rank_fields[0]", "invalid_value"),
    ],
)
async def test_a_mistake_is_named(
    worker: Worker, fields: dict[str, Any], param: str, code: str
) -> None:
    answer = await ask(worker, **fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)


async def test_other_models_and_other_methods_are_refused(worker: Worker) -> None:
    assert (await ask(worker, model="other")).status_code == 404
    assert (await worker.http.get(RERANK)).status_code == 405


async def test_a_model_for_something_else_is_refused() -> None:
    writer = FailingEngine((), RuntimeError())
    async with local_worker(load=lambda _settings, _say: writer) as worker:
        answer = await ask(worker)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unsupported_model")


async def test_who_leaves_stops_the_model_and_frees_the_slot() -> None:
    class Endless(EchoEngine):
        left = False

        async def rerank(
            self,
            query: str,
            documents: Sequence[str],
            max_tokens_per_doc: int | None = None,
            *,
            lane: Lane = "normal",
            customer: str = "",
        ) -> Reranked:
            try:
                await asyncio.Event().wait()
            finally:
                self.left = True
            raise AssertionError

    engine = Endless()
    async with local_worker(load=lambda _settings, _say: engine) as worker:
        asked = asyncio.create_task(ask(worker))
        async with asyncio.timeout(5):
            while (await worker.stats())["running"] != 1:  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.01)
        asked.cancel()
        await until(lambda: engine.left)
        assert (await worker.stats())["cancelled"] == 1


async def test_a_real_model_is_asked_over_http(tmp_path: Path) -> None:
    path = str(tiny_reranker(tmp_path / "reranker"))
    model = ModelSettings(name="tiny", path=path, engine="rerank", device="cpu", threads=1)
    async with local_worker(model) as worker:
        answer = (await ask(worker, model="tiny")).json()
        scores = [result["relevance_score"] for result in answer["results"]]
        assert scores == sorted(scores, reverse=True)
        assert answer["usage"]["total_tokens"] == 6 + 8 + 6
        card = (await worker.http.get("/v1/models")).json()["data"][0]
        assert (card["abilities"], card["context_length"]) == (["rerank"], POSITIONS)
        chat = await worker.chat(model="tiny")
        assert chat.json()["error"]["code"] == "unsupported_model"
