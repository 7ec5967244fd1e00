"""What every engine in `server/worker/engines/` keeps to; a new one is found by itself."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from server.core.errors import BadRequest, StartError
from server.core.settings import ModelSettings
from server.wire.lanes import LANES
from server.worker import engines
from server.worker.asked import Ask, Chat, Delta, Prepared, Prompt, Text, Tokens, Turn
from server.worker.engine import Engine
from server.worker.engines import load_engine, loader
from tests.fakes.engines import Said, kinds_here, kinds_that, settings_for
from tests.fakes.tiny_lora import make_tiny_lora

WORDS = "one two three four five 你好 世界 🙂 six seven eight nine ten"
TALK = Chat((Turn("system", "Be brief."), Turn("user", WORDS)))
HOT = Ask(max_tokens=24, temperature=1.5, seed=11)


Loaded = tuple[Engine, Said]


@pytest.fixture(scope="module")
def load_once(tiny_llama: Path, request: pytest.FixtureRequest) -> Callable[[str], Loaded]:
    """A loaded engine of a kind, and what it said meanwhile."""

    @cache
    def load(kind: str) -> Loaded:
        said = Said()
        engine = load_engine(settings_for(kind, tiny_llama), said)
        request.addfinalizer(engine.close)
        return engine, said

    return load


@pytest.fixture(params=kinds_here())
def loaded(load_once: Callable[[str], Loaded], request: pytest.FixtureRequest) -> Loaded:
    return load_once(request.param)


@pytest.fixture
def engine(loaded: Loaded) -> Engine:
    return loaded[0]


@pytest.fixture(params=kinds_that("chat"))
def writer(load_once: Callable[[str], Loaded], request: pytest.FixtureRequest) -> Engine:
    return load_once(request.param)[0]


@pytest.fixture(params=kinds_that("embeddings"))
def embedder(load_once: Callable[[str], Loaded], request: pytest.FixtureRequest) -> Engine:
    return load_once(request.param)[0]


@pytest.fixture
async def talk(writer: Engine) -> AsyncIterator[Prepared]:
    yield await writer.prepare(TALK)


async def run(engine: Engine, prepared: Prepared, ask: Ask) -> list[Delta]:
    return [delta async for delta in engine.generate(prepared, ask)]


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def test_it_says_what_it_can_do(engine: Engine) -> None:
    assert set(engine.abilities) & {"chat", "completions", "embeddings", "rerank"}
    assert engine.context_length is None or engine.context_length > 0


def test_it_tells_how_loading_goes(loaded: Loaded) -> None:
    reports = loaded[1].reports
    assert reports
    assert all(report.state == "loading" and report.detail for report in reports)


async def test_what_it_cannot_do_is_refused(engine: Engine) -> None:
    if "embeddings" not in engine.abilities:
        with pytest.raises(BadRequest):
            await engine.embed(["hi"])
    if "rerank" not in engine.abilities:
        with pytest.raises(BadRequest):
            await engine.rerank("hi", ["hi"])
    if "chat" not in engine.abilities:
        with pytest.raises(BadRequest):
            await engine.prepare(TALK)


async def test_a_longer_prompt_has_more_tokens(writer: Engine) -> None:
    short, long = await writer.prepare(Text("one")), await writer.prepare(Text("one two three"))
    assert 0 < short.tokens < long.tokens


@pytest.mark.parametrize("prompt", [TALK, Text(WORDS), Tokens((5, 6, 7))])
async def test_the_tokens_of_a_prompt_can_be_told(writer: Engine, prompt: Prompt) -> None:
    prepared = await writer.prepare(prompt)
    ids = writer.token_ids(prepared)
    assert len(ids) == prepared.tokens
    assert ids == writer.token_ids(await writer.prepare(prompt))
    if isinstance(prompt, Tokens):
        assert ids == prompt.ids


async def test_the_text_of_a_prompt_is_kept(writer: Engine) -> None:
    assert WORDS in (await writer.prepare(Text(WORDS))).text


async def test_only_the_last_delta_is_finished(writer: Engine, talk: Prepared) -> None:
    deltas = await run(writer, talk, HOT)
    assert [delta.finish is not None for delta in deltas] == [False] * (len(deltas) - 1) + [True]
    counts = [delta.tokens for delta in deltas]
    assert counts == sorted(counts)
    assert all(delta.text for delta in deltas[:-1])


@pytest.mark.parametrize("most", [1, 2, 5])
async def test_no_more_tokens_than_asked_for(writer: Engine, talk: Prepared, most: int) -> None:
    last = (await run(writer, talk, replace(HOT, max_tokens=most)))[-1]
    assert (last.tokens, last.finish) == (most, "length")


async def test_no_delta_has_a_broken_character(writer: Engine, talk: Prepared) -> None:
    for seed in range(5):
        deltas = await run(writer, talk, replace(HOT, seed=seed, temperature=2.0))
        assert "\ufffd" not in text_of(deltas)


async def test_the_same_seed_gives_the_same_text_in_company(writer: Engine, talk: Prepared) -> None:
    alone = [text_of(await run(writer, talk, replace(HOT, seed=seed))) for seed in range(4)]
    together = await asyncio.gather(
        *(run(writer, talk, replace(HOT, seed=seed)) for seed in range(4))
    )
    assert [text_of(deltas) for deltas in together] == alone


async def test_temperature_zero_needs_no_seed(writer: Engine, talk: Prepared) -> None:
    greedy = Ask(max_tokens=16, temperature=0)
    first, second = await run(writer, talk, greedy), await run(writer, talk, greedy)
    assert [(one.text, one.tokens) for one in first] == [(one.text, one.tokens) for one in second]


async def test_what_it_knew_of_a_prompt_changes_nothing(writer: Engine, talk: Prepared) -> None:
    turns = (*TALK.turns, Turn("assistant", "one two"), Turn("user", "And then?"))
    longer = await writer.prepare(Chat(turns))
    ask = Ask(max_tokens=16, temperature=0)
    fresh = await run(writer, longer, replace(ask, score_prompt=True, logprobs=0))
    await run(writer, talk, ask)
    again = await run(writer, longer, ask)
    assert text_of(again) == text_of(fresh)
    assert fresh[0].cached == 0
    assert all(0 <= delta.cached < longer.tokens for delta in again)


async def test_each_token_is_scored_when_that_is_asked_for(writer: Engine, talk: Prepared) -> None:
    deltas = await run(writer, talk, replace(HOT, max_tokens=12, logprobs=2))
    scores = [score for delta in deltas for score in delta.scores]
    assert len(scores) == deltas[-1].tokens
    for score in scores:
        best = [one.logprob for one in score.others]
        assert best == sorted(best, reverse=True)
        assert len(best) <= 2
        assert score.logprob <= 0
    said = b"".join(score.text for score in scores).decode("utf-8", "ignore")
    assert said == text_of(deltas)
    assert not any(delta.scores for delta in await run(writer, talk, replace(HOT, max_tokens=2)))


async def test_the_prompt_is_scored_when_that_is_asked_for(writer: Engine, talk: Prepared) -> None:
    ask = Ask(max_tokens=2, temperature=0, logprobs=1, score_prompt=True)
    first, *others = await run(writer, talk, ask)
    assert len(first.prompt) == talk.tokens
    assert first.prompt[0] is None
    assert [one.token for one in first.prompt[1:] if one is not None] == list(
        writer.token_ids(talk)[1:]
    )
    assert not any(delta.prompt for delta in others)


async def test_a_stop_text_ends_the_answer_and_is_not_in_it(writer: Engine, talk: Prepared) -> None:
    whole = text_of(await run(writer, talk, HOT))
    for length in (1, 2, 3):
        stop = whole[4 : 4 + length]
        deltas = await run(writer, talk, replace(HOT, stop=("never said", stop)))
        assert text_of(deltas) == whole[: whole.find(stop)]
        assert deltas[-1].finish == "stop"


async def test_tokens_are_a_prompt_too(writer: Engine) -> None:
    prepared = await writer.prepare(Tokens((5, 6, 7)))
    assert prepared.tokens == 3
    assert (await run(writer, prepared, HOT))[-1].finish


async def test_an_empty_text_is_where_the_model_begins(writer: Engine) -> None:
    prepared = await writer.prepare(Text(""))
    assert prepared.text == ""
    assert (await run(writer, prepared, HOT))[-1].finish


async def test_no_tokens_are_no_prompt(writer: Engine) -> None:
    with pytest.raises(BadRequest) as caught:
        await writer.prepare(Tokens(()))
    assert caught.value.param == "prompt"


async def test_every_token_is_counted(writer: Engine, talk: Prepared) -> None:
    before = writer.generated
    deltas = await run(writer, talk, HOT) + await run(writer, talk, replace(HOT, max_tokens=1))
    ends = [delta.tokens for delta in deltas if delta.finish]
    assert writer.generated - before == sum(ends)


async def test_the_lane_does_not_change_the_text(writer: Engine, talk: Prepared) -> None:
    texts = [text_of(await run(writer, talk, replace(HOT, lane=lane))) for lane in LANES]
    assert texts == [text_of(await run(writer, talk, HOT))] * len(LANES)


async def test_leaving_stops_it_within_one_token(writer: Engine, talk: Prepared) -> None:
    late = writer.tokens_after_cancel
    for _ in range(5):
        async with aclosing(writer.generate(talk, replace(HOT, max_tokens=60))) as deltas:
            await anext(deltas)
    await run(writer, talk, HOT)
    assert writer.tokens_after_cancel - late <= 5


async def test_one_who_leaves_does_not_disturb_the_others(writer: Engine, talk: Prepared) -> None:
    alone = await run(writer, talk, HOT)
    staying = asyncio.create_task(run(writer, talk, HOT))
    leaving = [asyncio.create_task(run(writer, talk, replace(HOT, seed=i))) for i in range(3)]
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    assert text_of(await staying) == text_of(alone)


async def test_vectors_have_length_one_and_keep_their_order(embedder: Engine) -> None:
    texts = [f"text number {number} " * (number % 5 + 1) for number in range(40)]
    together = await embedder.embed(texts)
    assert together.tokens > len(texts)
    for text, vector in zip(texts[::13], together.vectors[::13], strict=True):
        alone = (await embedder.embed([text])).vectors[0]
        assert math.isclose(math.hypot(*vector), 1.0, abs_tol=1e-4)
        assert math.isclose(sum(a * b for a, b in zip(alone, vector, strict=True)), 1, abs_tol=1e-4)


async def test_fewer_dimensions_are_the_first_ones(embedder: Engine) -> None:
    whole = (await embedder.embed(["hello"])).vectors[0]
    short = (await embedder.embed(["hello"], 4)).vectors[0]
    length = math.hypot(*whole[:4])
    assert short == pytest.approx([value / length for value in whole[:4]], abs=1e-4)
    with pytest.raises(BadRequest):
        await embedder.embed(["hello"], len(whole) + 1)


async def test_token_inputs_are_embedded(embedder: Engine) -> None:
    assert len((await embedder.embed([(100, 101), "hi"])).vectors) == 2


@pytest.mark.parametrize("kind", kinds_here())
@pytest.mark.parametrize("field", ["adapters", "quantization"])
def test_what_it_does_not_take_is_refused(
    kind: str, field: str, tiny_llama: Path, tmp_path: Path
) -> None:
    loader(kind)
    if field in getattr(import_module(f"{engines.__name__}.{kind}"), "TAKES", ()):
        return
    more = {
        "adapters": {"odd": str(make_tiny_lora(tmp_path, tiny_llama))},
        "quantization": "bitsandbytes-4bit",
    }
    wanted = settings_for(kind, tiny_llama).model_copy(update={field: more[field]})
    with pytest.raises(StartError, match=rf"the engine '{kind}' takes no {field}"):
        load_engine(wanted, Said())


def test_an_unknown_engine_is_refused_with_those_there_are() -> None:
    with pytest.raises(StartError, match=r"'vroom'.*echo.*transformers"):
        loader("vroom")


def test_an_engine_whose_extra_is_not_installed_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    monkeypatch.delitem(sys.modules, "server.worker.engines.llama_cpp", raising=False)
    with pytest.raises(StartError, match=r"'llama_cpp' cannot be used.*\[llama_cpp\]' brings it"):
        loader("llama_cpp")


@pytest.mark.parametrize("kind", [kind for kind in kinds_here() if kind != "echo"])
def test_a_missing_model_is_named(kind: str, tmp_path: Path) -> None:
    settings = ModelSettings(name="lost-model", path=str(tmp_path / "no"), engine=kind)
    with pytest.raises(StartError, match="lost-model"):
        load_engine(settings, Said())


@pytest.mark.parametrize("kind", [kind for kind in kinds_here() if kind != "echo"])
def test_an_empty_folder_is_no_model(kind: str, tmp_path: Path) -> None:
    settings = ModelSettings(name="empty-model", path=str(tmp_path), engine=kind, device="cpu")
    with pytest.raises(StartError, match="empty-model"):
        load_engine(settings, Said())
