"""Adapters as the official client meets them: models of their own over one process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import yaml
from openai import AsyncOpenAI

from tests.fakes.tiny_llama import make_tiny_llama
from tests.fakes.tiny_lora import make_tiny_lora
from tests.system.launch import Launch, launched, refused

pytestmark = pytest.mark.system

NAMES = ("tiny", "pirate", "org/poet")


def write(home: Path, adapters: dict[str, str]) -> None:
    (home / "configs/providers").mkdir(parents=True)
    model = {"name": "tiny", "path": "base", "device": "cpu", "threads": 1, "adapters": adapters}
    routes = [{"name": "arr", "to": "pirate"}]
    fleet = {"models": [model], "openai_api": {"routes": routes}}
    (home / "configs/fleet.yaml").write_text(yaml.safe_dump(fleet), "utf-8")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("adapters") / "home"
    write(home, {"pirate": "one", "org/poet": "./two"})
    base = make_tiny_llama(home / "base")
    make_tiny_lora(home / "one", base, seed=1)
    make_tiny_lora(home / "two", base, seed=2, r=2)
    return home


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[Launch]:
    with launched(home) as launch:
        yield launch


async def said(client: AsyncOpenAI, model: str) -> str:
    answer = await client.completions.create(
        model=model, prompt="hello world", temperature=0, max_tokens=24
    )
    assert answer.model == model
    return answer.choices[0].text


async def test_each_name_answers_in_its_own_words_alone_and_in_company(running: Launch) -> None:
    async with AsyncOpenAI(base_url=running.base_url, api_key="any", max_retries=0) as client:
        alone = {name: await said(client, name) for name in NAMES}
        assert len(set(alone.values())) == 3
        crowd = await asyncio.gather(*(said(client, name) for name in NAMES * 4))
        assert crowd == [alone[name] for name in NAMES * 4]
        routed = await client.completions.create(
            model="arr", prompt="hello world", temperature=0, max_tokens=24
        )
        assert routed.choices[0].text == alone["pirate"]


async def test_all_are_listed_and_none_but_they_are_found(running: Launch) -> None:
    async with AsyncOpenAI(base_url=running.base_url, api_key="any", max_retries=0) as client:
        parents = {
            model.id: model.to_dict()["parent"] for model in (await client.models.list()).data
        }
        assert parents == {"arr": None, "tiny": None, "pirate": "tiny", "org/poet": "tiny"}
        assert (await client.models.retrieve("org/poet")).id == "org/poet"
        with pytest.raises(openai.NotFoundError):
            await said(client, "poet")
    assert [row for row in running.rows() if row.startswith("model_worker")] == [
        "model_worker tiny"
    ]


def test_a_folder_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    write(tmp_path / "home", {"pirate": "nowhere"})
    make_tiny_llama(tmp_path / "home/base")
    assert "model 'tiny': there is no folder" in refused(tmp_path / "home")
