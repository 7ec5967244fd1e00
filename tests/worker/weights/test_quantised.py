"""Weights of few bits: as transformers makes them while loading, and as files bring them.

What needs a package of the extra `quantized` is left out where that is not installed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from server.core.errors import StartError
from server.core.memory.need import read_config
from server.core.memory.quantised import method_in
from server.core.settings import ModelSettings
from server.worker.asked import Ask, Text
from server.worker.engine import Engine
from server.worker.engines import load_engine
from server.worker.prompts.tokenizing import TokenPrompt
from server.worker.weights import quantised
from server.worker.weights.quantised import quantisation
from tests.fakes.engines import Said
from tests.fakes.tiny_llama import make_tiny_llama
from tests.fakes.tiny_lora import make_tiny_lora

Kind = Literal["bitsandbytes-4bit", "bitsandbytes-8bit"]
FOUR: Final = "bitsandbytes-4bit"
EIGHT: Final = "bitsandbytes-8bit"
PROMPTS = ["hello world, how are", "你好，世界。🙂", "a"]


WIDTH = 128
"""Four bits share a scale in blocks of 64."""


@pytest.fixture(scope="module")
def wide_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("wide-llama"), width=WIDTH)


def settings(folder: Path, kind: Kind | None = None, **more: Any) -> ModelSettings:
    return ModelSettings(
        name="tiny", path=str(folder), device="cpu", threads=1, quantization=kind, **more
    )


def method_of(folder: Path) -> str:
    return method_in(read_config(folder))


@asynccontextmanager
async def loaded(wanted: ModelSettings) -> AsyncIterator[Engine]:
    engine = load_engine(wanted, Said())
    try:
        yield engine
    finally:
        engine.close()


async def text_of(engine: Engine, prompt: str, adapter: str = "") -> str:
    prepared = await engine.prepare(Text(prompt))
    ask = Ask(max_tokens=20, temperature=0, adapter=adapter)
    return "".join([delta.text async for delta in engine.generate(prepared, ask)])


async def told_by_generate(engine: Engine, model: Any, folder: Path, prompt: str) -> str:
    inner = (await engine.prepare(Text(prompt))).inner
    assert isinstance(inner, TokenPrompt)
    ids = torch.tensor([inner.ids])
    tokens = model.generate(input_ids=ids, max_new_tokens=20, do_sample=False, pad_token_id=0)
    words: Any = AutoTokenizer.from_pretrained(folder)
    text: str = words.decode(tokens[0, ids.shape[1] :], skip_special_tokens=True)
    return text.replace("\ufffd", "")


def made(folder: Path, kind: Kind = FOUR) -> Any:
    """The model as transformers makes it."""
    config: Any = BitsAndBytesConfig
    four = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": torch.float32}
    bits = config(load_in_4bit=True, **four) if kind == FOUR else config(load_in_8bit=True)
    return AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=bits, device_map={"": "cpu"}, dtype=torch.float32
    )


@pytest.mark.parametrize("kind", [FOUR, EIGHT])
async def test_answers_are_those_of_generate_with_the_same_bits(
    wide_llama: Path, kind: Kind
) -> None:
    pytest.importorskip("bitsandbytes")
    model = made(wide_llama, kind)
    async with loaded(settings(wide_llama, kind)) as engine, loaded(settings(wide_llama)) as whole:
        alone = [await text_of(engine, prompt) for prompt in PROMPTS]
        for prompt, said in zip(PROMPTS, alone, strict=True):
            assert said == await told_by_generate(engine, model, wide_llama, prompt)
        together = await asyncio.gather(*(text_of(engine, prompt) for prompt in PROMPTS))
        if kind == FOUR:  # eight bits are multiplied differently in company
            assert together == alone
        assert alone != [await text_of(whole, prompt) for prompt in PROMPTS]


async def test_adapters_stand_over_few_bits_as_well(wide_llama: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    from peft import PeftModel

    folder = make_tiny_lora(tmp_path, wide_llama)
    tuned = PeftModel.from_pretrained(made(wide_llama), str(folder)).eval()
    async with loaded(settings(wide_llama, FOUR, adapters={"odd": str(folder)})) as engine:
        said = await asyncio.gather(*(text_of(engine, PROMPTS[0], name) for name in ("odd", "")))
        assert said[0] == await told_by_generate(engine, tuned, wide_llama, PROMPTS[0])
        assert said[0] != said[1]


async def test_files_of_few_bits_load_by_themselves(wide_llama: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    make_tiny_llama(tmp_path, width=WIDTH)
    made(wide_llama).save_pretrained(tmp_path)
    assert method_of(tmp_path) == "bitsandbytes"
    async with (
        loaded(settings(tmp_path)) as found,
        loaded(settings(wide_llama, FOUR)) as fresh,
    ):
        assert await text_of(found, PROMPTS[0]) == await text_of(fresh, PROMPTS[0])


async def test_files_of_llm_compressor_load_by_themselves(wide_llama: Path, tmp_path: Path) -> None:
    pytest.importorskip("compressed_tensors")
    make_tiny_llama(tmp_path, width=WIDTH)
    model: Any = AutoModelForCausalLM.from_pretrained(wide_llama, dtype=torch.float32)
    _compress(model, tmp_path)
    assert method_of(tmp_path) == "compressed-tensors"
    theirs: Any = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    async with loaded(settings(tmp_path)) as engine:
        said = await text_of(engine, PROMPTS[0])
        assert said == await told_by_generate(engine, theirs, tmp_path, PROMPTS[0])


def _compress(model: Any, folder: Path) -> None:
    """Eight bits, a scale for each row."""
    from compressed_tensors import ModelCompressor
    from compressed_tensors.quantization import (
        QuantizationArgs,
        QuantizationConfig,
        QuantizationScheme,
        apply_quantization_config,
    )

    bits = QuantizationArgs(num_bits=8, type="int", symmetric=True, strategy="channel")
    scheme = QuantizationScheme(targets=["Linear"], weights=bits)
    apply_quantization_config(
        model, QuantizationConfig(config_groups={"all": scheme}, ignore=["lm_head"])
    )
    for layer in model.modules():
        if hasattr(layer, "weight_scale"):
            layer.weight_scale.data = layer.weight.abs().amax(1, keepdim=True) / 127
    compressor = ModelCompressor.from_pretrained_model(model)
    compressor.compress_model(model)
    model.save_pretrained(folder)
    compressor.update_config(str(folder))


def said_by(folder: Path, **quantised: Any) -> Path:
    (folder / "config.json").write_text(json.dumps(quantised))
    return folder


def test_how_the_weights_are_quantised_is_read_from_their_config(tmp_path: Path) -> None:
    assert method_of(tmp_path) == ""
    assert method_of(said_by(tmp_path, model_type="llama")) == ""
    assert method_of(said_by(tmp_path, quantization_config={"quant_method": "gptq"})) == "gptq"
    assert method_of(said_by(tmp_path, quantization_config={"load_in_4bit": True})) == (
        "bitsandbytes"
    )
    inner = {"quantization_config": {"quant_method": "awq"}}
    assert method_of(said_by(tmp_path, text_config=inner)) == "awq"
    assert method_of(said_by(tmp_path, compression_config={})) == "unknown"
    (tmp_path / "config.json").write_text("[")
    assert method_of(tmp_path) == ""


@pytest.mark.parametrize(
    ("method", "pip"),
    [
        ("gptq", "'optimum' 'gptqmodel'"),
        ("awq", "'gptqmodel'"),
        ("quanto", "'optimum-quanto'"),
        ("compressed-tensors", r"'shortline\[quantized\]'"),
        ("bitsandbytes", r"'shortline\[quantized\]'"),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, pip: str
) -> None:
    monkeypatch.setattr(quantised, "_is_there", lambda _module: False)
    folder = said_by(tmp_path, quantization_config={"quant_method": method})
    with pytest.raises(StartError, match=rf"^model 'tiny': .*\({method}\).*pip install {pip}$"):
        quantisation(settings(folder), folder, "cpu")


def test_what_the_settings_need_is_named_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantised, "_is_there", lambda _module: False)
    says = r"'tiny': quantization: bitsandbytes-4bit, which needs .*shortline\[quantized\]"
    with pytest.raises(StartError, match=says):
        quantisation(settings(tmp_path, FOUR), tmp_path, "cpu")


def test_a_package_inside_one_that_is_missing_is_missing() -> None:
    assert not quantised._is_there("no_such_package.inside")
    assert quantised._is_there("json.decoder")


def test_what_needs_a_gpu_says_so(tmp_path: Path) -> None:
    folder = said_by(tmp_path, quantization_config={"quant_method": "eetq"})
    with pytest.raises(StartError, match=r"\(eetq\), which needs a GPU, and the device is cpu"):
        quantisation(settings(folder), folder, "cpu")
    assert quantisation(settings(folder), folder, "cuda") == {}


def test_weights_are_not_quantised_twice(tmp_path: Path) -> None:
    folder = said_by(tmp_path, quantization_config={"quant_method": "gptq"})
    with pytest.raises(StartError, match=r"quantised already \(gptq\); remove quantization: bits"):
        quantisation(settings(folder, FOUR), folder, "cpu")


@pytest.mark.parametrize(
    ("dtype", "bf16", "wanted"),
    [
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float16),
        ("float32", True, torch.float32),
    ],
)
def test_four_bits_are_multiplied_in_sixteen_on_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, bf16: bool, wanted: torch.dtype
) -> None:
    monkeypatch.setattr(quantised, "_is_there", lambda _module: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)
    more = quantisation(settings(tmp_path, FOUR, dtype=dtype), tmp_path, "cuda")
    bits = more["quantization_config"]
    assert (bits.bnb_4bit_compute_dtype, bits.bnb_4bit_quant_type) == (wanted, "nf4")


def test_an_engine_that_knows_no_bits_says_so() -> None:
    wanted = ModelSettings(name="e", engine="echo", quantization=FOUR)
    with pytest.raises(StartError, match="the engine 'echo' takes no quantization"):
        load_engine(wanted, Said())
