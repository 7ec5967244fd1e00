"""Adapters as models of their own: what each route makes of their names."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from server.core.settings import ModelSettings
from server.worker.asked import Ask, Delta, Prepared, Prompt
from server.worker.engine import Engine, Say
from server.worker.local.model import fingerprint_of
from tests.fakes.controller import SECRET, controller
from tests.fakes.waiting import until
from tests.fakes.worker import Worker, local_worker

BASE = ModelSettings(name="base", path="none", adapters={"pirate": "/p", "org/poet": "/q"})


class Naming(Engine):
    """Says whose words it says."""

    abilities = ("chat", "completions")
    context_length = 100

    async def prepare(self, prompt: Prompt) -> Prepared:
        return Prepared(1, "", None)

    async def generate(self, prepared: Prepared, ask: Ask) -> AsyncGenerator[Delta, None]:
        yield Delta(ask.adapter or "none", 1, "stop")


def _load(_settings: ModelSettings, _say: Say) -> Engine:
    return Naming()


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with local_worker(BASE, load=_load) as worker:
        yield worker


WORDS = [("base", "none"), ("pirate", "pirate"), ("org/poet", "org/poet")]


@pytest.mark.parametrize(("name", "words"), WORDS)
async def test_each_name_has_its_own_words(worker: Worker, name: str, words: str) -> None:
    chat = (await worker.chat(model=name)).json()
    assert (chat["model"], chat["choices"][0]["message"]["content"]) == (name, words)
    body = {"model": name, "prompt": ["a", "b"]}
    done = (await worker.http.post("/v1/completions", json=body)).json()
    assert [choice["text"] for choice in done["choices"]] == [words, words]
    asked = {"model": name, "prompt": "a", "echo": False}
    state = (await worker.http.post("/worker_generate", json=asked)).json()
    assert state["text"] == words


async def test_names_of_nobody_are_not_found(worker: Worker) -> None:
    for name in ("poet", "PIRATE", "base/pirate", "/p"):
        answer = await worker.chat(model=name)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_all_are_listed_with_the_model_that_they_stand_over(worker: Worker) -> None:
    listed = (await worker.http.get("/v1/models")).json()["data"]
    said = [(card["id"], card["root"], card["parent"]) for card in listed]
    assert said == [
        ("base", "base", None),
        ("pirate", "base", "base"),
        ("org/poet", "base", "base"),
    ]
    assert all(card["context_length"] == 100 for card in listed)
    for card in listed:
        assert (await worker.http.get(f"/v1/models/{card['id']}")).json() == card
    status = (await worker.http.post("/worker_get_status")).json()
    assert status["model_names"] == ["base", "pirate", "org/poet"]


def test_each_has_a_fingerprint_of_its_own() -> None:
    told = {name: fingerprint_of(BASE, name) for name in BASE.names}
    assert len(set(told.values())) == 3
    assert told["base"] == fingerprint_of(BASE.model_copy(update={"adapters": {}}))


async def test_the_fleet_is_told_of_all() -> None:
    async with (
        controller() as fleet,
        local_worker(BASE, load=_load, controller_url=fleet.url, secret=SECRET),
    ):
        await until(lambda: fleet.registry.view().workers != ())
        (told,) = fleet.registry.view().workers
    assert told.models == ("base", "pirate", "org/poet")
    assert told.parents == {"pirate": "base", "org/poet": "base"}
