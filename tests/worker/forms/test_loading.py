"""What forms need of a tokenizer is made while the model loads, when nobody has to wait for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import llguidance.hf
import pytest

from server.core.errors import BadRequest
from server.worker.asked import Ask, JsonObject, JsonSchema, Text
from server.worker.engines import load_engine
from tests.fakes.engines import Said, settings_for

BOOLEAN = Ask(max_tokens=40, form=JsonSchema({"type": "boolean"}))


def broken(*args: Any, **more: Any) -> Any:
    raise ValueError("Only fast tokenizers are supported")


async def test_the_first_request_finds_it(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Said()
    engine = load_engine(settings_for("transformers", tiny_llama), said)
    assert said.reports[-1].detail == "forms"
    monkeypatch.setattr(llguidance.hf, "from_tokenizer", broken)
    prepared = await engine.prepare(Text("hello"))
    text = "".join([delta.text async for delta in engine.generate(prepared, BOOLEAN)])
    engine.close()
    assert json.loads(text) in (True, False)


async def test_a_tokenizer_that_knows_no_forms_is_good_for_all_else(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llguidance.hf, "from_tokenizer", broken)
    engine = load_engine(settings_for("transformers", tiny_llama), Said())
    prepared = await engine.prepare(Text("hello"))
    assert [delta async for delta in engine.generate(prepared, Ask(max_tokens=2))]
    with pytest.raises(BadRequest, match="cannot keep to a form"):
        await anext(engine.generate(prepared, Ask(max_tokens=2, form=JsonObject())))
    engine.close()
