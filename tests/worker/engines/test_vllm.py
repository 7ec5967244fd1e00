"""Collected where the extra `vllm` or `vllm-cpu` is installed (`conftest.py`)."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from server.core.errors import BadRequest, StartError, Unavailable
from server.core.memory.folders import BUNDLED_FOLDER
from server.core.settings import ModelSettings
from server.worker.asked import Ask, Chat, Delta, JsonSchema, Prepared, Text, Turn
from server.worker.engine import Engine
from server.worker.engines import load_engine
from server.worker.engines import transformers as other_file
from server.worker.engines.vllm import VllmEngine, load
from tests.fakes.engines import Said
from tests.fakes.waiting import until

MINI = BUNDLED_FOLDER / "shortline-mini"
GREEDY = Ask(max_tokens=40, temperature=0)
QUESTIONS = (
    "What is Shortline?",
    "How do I add a bigger model?",
    "What happens when a worker dies?",
    "你是谁？",
    "Write a poem about the sea",
    "怎么停止它？",
)


def settings(path: Path | str = MINI, **more: Any) -> ModelSettings:
    options = {"enforce_eager": True} | more.pop("options", {})
    few = {"device": "cpu", "threads": 1, "slots": 8, "options": options} | more
    return ModelSettings(name="mini", path=str(path), engine="vllm", **few)


@pytest.fixture(scope="module")
def engine() -> Iterator[VllmEngine]:
    engine = load(settings(), Said())
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def theirs() -> Iterator[Engine]:
    """The same model by transformers."""
    engine = other_file.load(
        ModelSettings(name="mini", path=str(MINI), device="cpu", threads=1), Said()
    )
    yield engine
    engine.close()


def question(text: str) -> Chat:
    return Chat((Turn("user", text),))


async def said(engine: Engine, prompt: Any, ask: Ask) -> list[Delta]:
    prepared = prompt if isinstance(prompt, Prepared) else await engine.prepare(prompt)
    return [delta async for delta in engine.generate(prepared, ask)]


async def text_of(engine: Engine, prompt: Any, ask: Ask) -> str:
    return "".join(delta.text for delta in await said(engine, prompt, ask))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"repetition_penalty": 1.3},
        {"frequency_penalty": 0.7, "presence_penalty": 0.4},
        {"logit_bias": {300: 4.0, 45: -100.0}},
        {"stop": ("the", "。")},
    ],
)
async def test_greedy_answers_are_those_of_transformers(
    engine: Engine, theirs: Engine, more: dict[str, Any]
) -> None:
    ask = replace(GREEDY, **more)
    together = await asyncio.gather(*(said(engine, question(text), ask) for text in QUESTIONS))
    for text, ours in zip(QUESTIONS, together, strict=True):
        other = await said(theirs, question(text), ask)
        assert "".join(one.text for one in ours) == "".join(one.text for one in other)
        assert ours[-1].tokens == other[-1].tokens
        assert (ours[-1].finish, ours[-1].stop) == (other[-1].finish, other[-1].stop)


async def test_tokens_are_as_likely_as_with_transformers(engine: Engine, theirs: Engine) -> None:
    ask = replace(GREEDY, max_tokens=12, logprobs=3, score_prompt=True)
    ours = await said(engine, question(QUESTIONS[0]), ask)
    other = await said(theirs, question(QUESTIONS[0]), ask)
    for mine, its in (
        ([score for delta in ours for score in delta.scores],
         [score for delta in other for score in delta.scores]),
        (ours[0].prompt[1:], other[0].prompt[1:]),
    ):  # fmt: skip
        assert len(mine) == len(its) > 5
        for one, same in zip(mine, its, strict=True):
            assert one is not None
            assert same is not None
            assert (one.token, one.text) == (same.token, same.text)
            assert one.logprob == pytest.approx(same.logprob, abs=1e-3)
            likely = [likely.logprob for likely in same.others]
            assert [likely.logprob for likely in one.others] == pytest.approx(likely, abs=1e-3)


def test_what_the_authors_recommend_is_what_is_done(engine: VllmEngine) -> None:
    assert engine._sampling(Ask(max_tokens=1)).temperature == pytest.approx(0.3)


async def test_answers_have_the_forms_that_were_asked_for(engine: Engine) -> None:
    parts = {"a": {"enum": ["yes", "no"]}, "b": {"type": "integer", "maximum": 9}}
    schema = {
        "type": "object",
        "properties": parts,
        "required": [*parts],
        "additionalProperties": False,
    }
    ask = replace(GREEDY, form=JsonSchema(schema), max_tokens=60)
    for text in QUESTIONS:
        made = json.loads(await text_of(engine, question(text), ask))
        assert made["a"] in ("yes", "no")
        assert isinstance(made["b"], int)
    with pytest.raises(BadRequest):
        form = JsonSchema({"type": "no such type"})
        await said(engine, Text("x"), Ask(max_tokens=5, form=form))


async def test_a_bias_of_a_token_that_is_none_is_refused(engine: Engine) -> None:
    with pytest.raises(BadRequest) as refused:
        await said(engine, Text("x"), replace(GREEDY, logit_bias={99999: 5.0}))
    assert refused.value.param == "logit_bias.99999"


async def test_no_barred_token_is_told_as_likely(engine: Engine) -> None:
    form = JsonSchema({"enum": ["yes", "no"]})
    ask = replace(GREEDY, form=form, logprobs=20)
    deltas = await said(engine, question("Say yes."), ask)
    for score in (score for delta in deltas for score in delta.scores):
        assert all(likely.logprob > -100 for likely in score.others)


async def test_what_one_customer_asked_is_read_again_for_another(engine: VllmEngine) -> None:
    engine.forget()
    prepared = await engine.prepare(question("Tell me of the sea, and of its ships. " * 20))
    assert prepared.tokens > 128, "less than a block is not remembered"
    first, again, other = [
        (await said(engine, prepared, replace(GREEDY, customer=customer)))[-1]
        for customer in ("ann", "ann", "bob")
    ]
    assert (first.cached, other.cached) == (0, 0)
    assert 0 < again.cached < prepared.tokens


async def test_more_answers_than_there_are_slots_all_come(engine: Engine) -> None:
    prepared = await engine.prepare(question(QUESTIONS[0]))
    alone = await text_of(engine, prepared, GREEDY)
    texts = await asyncio.gather(*(text_of(engine, prepared, GREEDY) for _ in range(20)))
    assert texts == [alone] * 20


async def test_who_leaves_is_gone_at_once(engine: VllmEngine) -> None:
    prepared = await engine.prepare(question(QUESTIONS[0]))
    ask = Ask(max_tokens=1500, logit_bias={1: -100.0})
    for _ in range(3):
        async with aclosing(engine.generate(prepared, ask)) as deltas:
            await anext(deltas)
    await until(lambda: not engine._core.llm.get_num_unfinished_requests(), limit_s=2)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"device": "cuda"}, "this vLLM was built for cpu"),
        ({"memory_per_gpu": "1GiB"}, "memory_per_gpu has no effect without GPUs"),
        ({"context_length": 4096}, "reads 2048 tokens at most"),
        ({"options": {"vroom": 1}}, "vLLM has no argument 'vroom'"),
        ({"options": {"max_model_len": 9}}, "options.max_model_len has no effect"),
        ({"options": {"block_size": "much"}}, "block_size"),
    ],
)
def test_settings_that_cannot_be_are_told(more: dict[str, Any], says: str) -> None:
    with pytest.raises(StartError, match=f"'mini'.*{says}"):
        load_engine(settings(**more), Said())


async def test_a_model_whose_process_dies_says_so() -> None:
    mine = psutil.Process()
    before = {child.pid for child in mine.children()}
    engine = load(settings(context_length=64), Said())
    failed: list[str] = []
    engine.when_failed = failed.append
    try:
        prepared = await engine.prepare(Text("hello"))
        for child in mine.children():
            if child.pid not in before and "EngineCore" in " ".join(child.cmdline()):
                child.kill()
        with pytest.raises(Unavailable):
            for _ in range(100):
                await said(engine, prepared, GREEDY)
        await until(lambda: failed)
        assert failed == ["vLLM's own process has died"]
    finally:
        engine.close()
    with pytest.raises(Unavailable, match="shutting down"):
        await said(engine, prepared, GREEDY)


_KEEPER = """
import sys, time
from pathlib import Path
from server.worker.engines.vllm import load
from tests.worker.engines.test_vllm import Said, settings

if __name__ == "__main__":
    engine = load(settings(context_length=64), Said())
    print("loaded", flush=True)
    time.sleep(600)
"""


def test_whoever_is_killed_leaves_no_process_behind(tmp_path: Path) -> None:
    script = tmp_path / "keeper.py"
    script.write_text(_KEEPER)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    keeper = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environ
    )
    try:
        assert keeper.stdout is not None
        assert any(line == "loaded\n" for line in keeper.stdout)
        children = psutil.Process(keeper.pid).children(recursive=True)
        assert len(children) >= 2
    finally:
        keeper.kill()
        keeper.wait()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
