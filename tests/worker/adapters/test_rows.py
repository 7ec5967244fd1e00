"""Adapters over one model: each answers as `peft` and `generate` would, whoever is beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from server.core.errors import StartError
from server.core.settings import ModelSettings
from server.worker.adapters.rows import Adapters, Pair
from server.worker.asked import Ask, Delta, Text
from server.worker.engine import Engine
from server.worker.engines import load_engine
from server.worker.engines import transformers as engine_file
from server.worker.prompts.tokenizing import TokenPrompt
from tests.fakes.engines import Said
from tests.fakes.tiny_llama import TEMPLATE
from tests.fakes.tiny_lora import make_tiny_lora, said_by_peft

PROMPTS = ["hello world, how are", "你好，世界。🙂", "a", "hello world, how are you today?"]
COUNT = 24


@pytest.fixture(scope="module")
def folders(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of different ranks, for different layers, scaled differently."""
    root = tmp_path_factory.mktemp("adapters")
    kinds: dict[str, dict[str, Any]] = {
        "all": {"seed": 1},
        "attention": {"seed": 2, "r": 8, "target_modules": ["q_proj", "v_proj"]},
        "ranks": {
            "seed": 3,
            "rank_pattern": {"up_proj": 2, r"^model\.layers\.1\.self_attn\.o_proj": 6},
            "alpha_pattern": {"down_proj": 12},
            "use_rslora": True,
        },
        "head": {"seed": 4, "target_modules": ["lm_head"]},
        "a.dotted/name": {
            "seed": 5,
            "target_modules": ["k_proj", "down_proj"],
            "layers_to_transform": [1],
        },
    }
    return {
        name: make_tiny_lora(root / str(at), tiny_llama, **config)
        for at, (name, config) in enumerate(kinds.items())
    }


def settings(base: Path, folders: dict[str, Path]) -> ModelSettings:
    adapters = {name: str(folder) for name, folder in folders.items()}
    return ModelSettings(name="tiny", path=str(base), device="cpu", threads=1, adapters=adapters)


@pytest.fixture(scope="module")
def engine(tiny_llama: Path, folders: dict[str, Path]) -> Iterator[Engine]:
    engine = load_engine(settings(tiny_llama, folders), Said())
    yield engine
    engine.close()


async def answer(engine: Engine, prompt: str, adapter: str, **more: Any) -> list[Delta]:
    ask = Ask(max_tokens=COUNT, temperature=0, adapter=adapter, **more)
    return [delta async for delta in engine.generate(await engine.prepare(Text(prompt)), ask)]


async def text_of(engine: Engine, prompt: str, adapter: str) -> str:
    return "".join([delta.text for delta in await answer(engine, prompt, adapter)])


async def told_by_peft(engine: Engine, base: Path, folder: Path, prompt: str) -> str:
    inner = (await engine.prepare(Text(prompt))).inner
    assert isinstance(inner, TokenPrompt)
    made = said_by_peft(base, folder, inner.ids, COUNT)
    words: Any = AutoTokenizer.from_pretrained(base)
    text: str = words.decode(made, skip_special_tokens=True)
    return text.replace("\ufffd", "")


@pytest.mark.parametrize("prompt", PROMPTS[:2])
async def test_greedy_answers_are_those_of_peft_alone_and_in_company(
    engine: Engine, tiny_llama: Path, folders: dict[str, Path], prompt: str
) -> None:
    theirs = {
        name: await told_by_peft(engine, tiny_llama, folder, prompt)
        for name, folder in folders.items()
    }
    alone = {name: await text_of(engine, prompt, name) for name in folders}
    assert alone == theirs
    assert len({*theirs.values(), await text_of(engine, prompt, "")}) == len(folders) + 1
    names = [name for name in ["", *folders] for _ in range(2)]
    together = await asyncio.gather(*(text_of(engine, prompt, name) for name in names))
    without = await text_of(engine, prompt, "")
    assert together == [theirs.get(name, without) for name in names]


async def test_whoever_joins_and_leaves_the_words_stay_the_same(
    engine: Engine, folders: dict[str, Path]
) -> None:
    pairs = [(prompt, name) for prompt in PROMPTS for name in ["", *folders]]
    alone = [await text_of(engine, *pair) for pair in pairs]

    async def later(at: int, prompt: str, name: str) -> str:
        await asyncio.sleep(at * 0.003)
        return await text_of(engine, prompt, name)

    crowd = await asyncio.gather(*(later(at, *pair) for at, pair in enumerate(pairs)))
    assert crowd == alone


async def test_the_model_itself_answers_as_without_adapters(
    engine: Engine, tiny_llama: Path
) -> None:
    bare = load_engine(settings(tiny_llama, {}), Said())
    for prompt in PROMPTS:
        assert await text_of(engine, prompt, "") == await text_of(bare, prompt, "")
    bare.close()


async def test_what_one_has_read_is_known_to_itself_alone(engine: Engine) -> None:
    prompt = "We are many, and we have read this very text before you came to it, today."
    first = await answer(engine, prompt, "all")
    other = await answer(engine, prompt, "attention")
    assert (first[0].cached, other[0].cached) == (0, 0)
    again = await answer(engine, prompt, "all")
    assert again[0].cached > 0
    assert "".join(d.text for d in again) == "".join(d.text for d in first)


async def test_a_model_without_plain_memory_has_adapters_as_well(
    tiny_llama: Path, folders: dict[str, Path], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_file, "_has_plain_memory", lambda *_: False)
    apart = load_engine(settings(tiny_llama, folders), Said())
    names = ["all", "", "head"]
    said = await asyncio.gather(*(text_of(apart, PROMPTS[0], name) for name in names))
    assert said == [await text_of(engine, PROMPTS[0], name) for name in names]
    apart.close()


def test_a_row_is_not_spoiled_by_what_others_have_beside_it() -> None:
    inner = torch.nn.Linear(3, 3)
    layer = torch.nn.Sequential(inner)
    loud = Pair(torch.full((1, 3), torch.inf), torch.ones(3, 1))
    adapters = Adapters(layer, {"loud": {"0": loud}, "calm": {"0": Pair(*_ones())}})
    read = torch.ones(2, 1, 3)
    adapters.use(["", "calm"])
    plain = inner.weight.sum(-1) + inner.bias
    torch.testing.assert_close(layer(read)[0, 0], plain)
    torch.testing.assert_close(layer(read)[1, 0], plain + 3)
    adapters.use(["calm", "loud"])
    assert torch.isfinite(layer(read)[0]).all()


@pytest.mark.parametrize("seed", range(4))
def test_each_row_has_what_its_own_adapter_adds_however_many_there_are(seed: int) -> None:
    torch.manual_seed(seed)
    random = Random(seed)
    names = [f"a{at}" for at in range(7)]
    layers = [str(at) for at in range(3)]
    model = torch.nn.Sequential(*(torch.nn.Linear(6, 6) for _ in layers))
    adapters = {
        name: {
            layer: Pair(torch.randn(rank, 6), torch.randn(6, rank))
            for layer in layers
            if random.random() < 0.7
            for rank in [random.randint(1, 3)]
        }
        for name in names
    }
    plain = deepcopy(model)
    together = Adapters(model, adapters)
    for _ in range(30):
        rows = random.choices(["", *names], k=random.randint(1, 6))
        read = torch.randn(len(rows), 2, 6)
        together.use(rows)
        expected = []
        for row, name in zip(read, rows, strict=True):
            for layer in layers:
                pair = adapters.get(name, {}).get(layer)
                more = row @ (pair.up @ pair.down).T if pair else 0
                row = plain.get_submodule(layer)(row) + more
            expected.append(row)
        torch.testing.assert_close(model(read), torch.stack(expected), atol=1e-3, rtol=1e-4)


def _ones() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.ones(1, 3), torch.ones(3, 1)


Spoil = Callable[[Path], object]


def _config(**fields: Any) -> Spoil:
    def spoil(folder: Path) -> None:
        file = folder / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | fields))

    return spoil


def _weights(change: Callable[[dict[str, torch.Tensor]], None]) -> Spoil:
    def spoil(folder: Path) -> None:
        file = folder / "adapter_model.safetensors"
        tensors = load_file(file)
        change(tensors)
        save_file(tensors, file)

    return spoil


def _first(tensors: dict[str, torch.Tensor]) -> str:
    return min(tensors)


BROKEN: dict[str, tuple[Spoil, str]] = {
    "no config": (lambda f: (f / "adapter_config.json").unlink(), "has no adapter_config.json"),
    "no weights": (
        lambda f: (f / "adapter_model.safetensors").unlink(),
        "has no adapter_model.safetensors",
    ),
    "a pickle": (
        lambda f: (f / "adapter_model.safetensors").rename(f / "adapter_model.bin"),
        r"only as a pickle.*adapter_model\.bin",
    ),
    "no JSON": (lambda f: (f / "adapter_config.json").write_text("{"), "is no JSON"),
    "no settings": (lambda f: (f / "adapter_config.json").write_text("[]"), "no settings"),
    "another kind": (_config(peft_type="PROMPT_TUNING"), "kind PROMPT_TUNING"),
    "dora": (_config(use_dora=True), "DoRA"),
    "whole layers": (_config(modules_to_save=["lm_head"]), "replaces whole layers"),
    "biases": (_config(bias="all"), "biases"),
    "changed weights": (_config(init_lora_weights="pissa"), "init_lora_weights is pissa"),
    "wrong rank": (_config(r=5), r"is 4 x 32, but 5 x 32 by"),
    "another architecture": (_config(target_modules=["c_attn"]), "does not fit the model.*c_attn"),
    "embeddings": (_config(target_modules=["embed_tokens"]), "embed_tokens is no linear layer"),
    "fewer layers": (_config(target_modules=["q_proj"]), "this model has no layer for"),
    "a wrong width": (
        _weights(lambda t: t.update({_first(t): torch.zeros(4, 31).contiguous()})),
        r"is 4 x 31, but 4 x \d+ by",
    ),
    "too little": (_weights(lambda t: t.__delitem__(_first(t))), "has no base_model"),
    "no numbers": (
        _weights(lambda t: t.update({_first(t): torch.full_like(t[_first(t)], torch.nan)})),
        "is not a number",
    ),
    "cut off": (
        lambda f: (f / "adapter_model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}"),
        "does not fit the model",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_one_that_is_broken_is_named_with_its_cause(
    tiny_llama: Path, tmp_path: Path, kind: str
) -> None:
    spoil, says = BROKEN[kind]
    folder = make_tiny_lora(tmp_path, tiny_llama)
    spoil(folder)
    with pytest.raises(StartError, match=rf"^model 'tiny': the adapter 'odd' .*{says}"):
        load_engine(settings(tiny_llama, {"odd": folder}), Said())


def test_a_folder_that_is_not_there_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="the adapter 'odd' has no folder"):
        load_engine(
            ModelSettings(name="m", engine="echo", adapters={"odd": str(tmp_path / "no")}), Said()
        )


def test_an_engine_without_adapters_says_so(tiny_llama: Path, folders: dict[str, Path]) -> None:
    wanted = ModelSettings(name="m", engine="echo", adapters={"all": str(folders["all"])})
    with pytest.raises(StartError, match="the engine 'echo' takes no adapters"):
        load_engine(wanted, Said())


@pytest.mark.parametrize("file", ["chat_template.jinja", "tokenizer_config.json"])
def test_that_it_brings_another_chat_template_is_logged(
    tiny_llama: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str
) -> None:
    folder = make_tiny_lora(tmp_path, tiny_llama)
    for template, told in ((TEMPLATE, False), ("{{ messages }}", True)):
        text = template if file.endswith("jinja") else json.dumps({"chat_template": template})
        (folder / file).write_text(text)
        load_engine(settings(tiny_llama, {"odd": folder}), Said()).close()
        assert ("another chat template" in caplog.text) is told


def test_that_it_says_it_is_for_another_model_is_logged(
    tiny_llama: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = make_tiny_lora(tmp_path, tiny_llama)
    _config(base_model_name_or_path="someone/other-model")(folder)
    load_engine(settings(tiny_llama, {"odd": folder}), Said()).close()
    assert "made for another model" in caplog.text
