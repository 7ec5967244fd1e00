"""Reranking through the gateway: its paths, its keys, and what it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from server.wire.fleet import SECRET_HEADER
from server.wire.rerank import OTHER_PATHS, RERANK
from tests.fakes.upstream import says, upstream, whole
from tests.fakes.worker import local_worker
from tests.gateway.conftest import SECRET, gateway, view

ASKED: dict[str, Any] = {"query": "one two", "documents": ["nothing", "one two", "one"]}


@pytest.mark.parametrize("path", [RERANK, *sorted(OTHER_PATHS)])
async def test_every_path_of_it_leads_to_the_worker(path: str) -> None:
    async with (
        local_worker(secret=SECRET) as worker,
        gateway(view(worker.url, models=("echo",))) as served,
    ):
        answer = await served.client.post(path, json=ASKED | {"model": "echo"})
        assert [result["index"] for result in answer.json()["results"]] == [1, 2, 0]
        headers = {SECRET_HEADER: SECRET.get_secret_value()}
        about = f"/shortline/requests/{answer.headers['x-request-id']}"
        told = (await served.client.get(about, headers=headers)).json()
        assert (told["path"], told["usage"]["prompt_tokens"]) == (RERANK, 10)
        refused = await served.client.get(path)
        assert refused.json()["error"]["code"] == "method_not_allowed"


async def test_a_model_without_the_ability_is_refused() -> None:
    async with gateway(view("http://127.0.0.1:9", abilities=("embeddings",))) as served:
        answer = await served.client.post(RERANK, json=ASKED | {"model": "m"})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (400, "unsupported_model")
        assert "rerank" in error["message"]


async def test_a_mistake_that_the_worker_finds_reaches_its_client() -> None:
    async with (
        local_worker(secret=SECRET) as worker,
        gateway(view(worker.url, models=("echo",))) as served,
    ):
        body = ASKED | {"model": "echo", "documents": []}
        answer = await served.client.post(RERANK, json=body)
        error = answer.json()["error"]
        assert (answer.status_code, error["param"]) == (400, "documents")


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (b'"usage":{"prompt_tokens":30,"total_tokens":30}', 30),
        (b'"usage":{"total_tokens":31}', 31),
    ],
)
async def test_what_was_read_counts_for_its_key(tmp_path: Path, usage: bytes, tokens: int) -> None:
    file = tmp_path / "ledger.db"
    ledger = Ledger.open(file)
    _, text = ledger.create_key(NewKey(name="ann", tokens_per_minute=1000), now=1.0)
    ledger.close()
    answer = whole(b'{"results":[],' + usage + b"}")
    async with (
        upstream(says(answer)) as worker,
        gateway(view(worker.url), ledger_file=str(file)) as served,
    ):
        served.client.headers["authorization"] = f"Bearer {text}"
        body = ASKED | {"model": "m"}
        assert (await served.client.post(RERANK, json=body)).status_code == 200
        (row,) = served.parts.customers._tallies.take()
        assert (row.prompt_tokens, row.completion_tokens) == (tokens, 0)
        many = body | {"documents": ["x"] * 100}  # each is read with the query
        refused = await served.client.post(RERANK, json=many)
        assert refused.status_code == 429
