from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from server.core.errors import BadRequest, StartError
from server.core.settings import ModelSettings
from server.core.sse import event_data
from server.worker.asked import Ask, Chat, Delta, Prepared, Prompt
from server.worker.engine import Engine
from server.worker.engines import load_engine
from server.worker.engines.echo import EchoEngine
from server.worker.local.thinking import USUAL, marks_of
from server.worker.text.thinking import Marks
from tests.fakes.engines import Said, settings_for
from tests.fakes.worker import ECHO, local_worker

THOUGHT = "<think>\nhm so\n</think>\n\nyes <think>"
ASKED = {"messages": [{"role": "user", "content": THOUGHT}]}


def options(**options: Any) -> ModelSettings:
    return ECHO.model_copy(update={"options": options})


class Templated(Engine):
    """Has a vocabulary of some words, and a template that ends in its own way."""

    abilities = ("chat",)

    def __init__(self, vocabulary: tuple[str, ...] = (), end: str = "", *, picky: bool = False):
        self._vocabulary, self._end, self._picky = vocabulary, end, picky

    async def prepare(self, prompt: Prompt) -> Prepared:
        if self._picky:
            raise BadRequest("no", param="messages")
        assert isinstance(prompt, Chat)
        text = prompt.turns[-1].text
        tokens = 0
        for word in self._vocabulary:
            tokens += text.count(word)
            text = text.replace(word, "")
        return Prepared(tokens + len(text), prompt.turns[-1].text + self._end, None)

    def generate(self, prepared: Prepared, ask: Ask) -> AsyncGenerator[Delta, None]:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("engine", "marks"),
    [
        (Templated(), None),
        (Templated(("<think>", "</think>")), USUAL),
        (Templated(("<think>",)), None),
        (Templated(end="<|assistant|><think>\n"), USUAL),
        (Templated(end="<think>\n\n</think>\n\n"), None),
        (Templated(("<think>", "</think>"), picky=True), None),
        (EchoEngine(), None),
    ],
)
async def test_a_model_thinks_if_its_vocabulary_or_its_template_says_so(
    engine: Engine, marks: Marks | None
) -> None:
    assert await marks_of(engine, ECHO) == marks


async def test_a_models_own_vocabulary_is_asked(tiny_llama: Path, tmp_path: Path) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_llama)
    model: Any = AutoModelForCausalLM.from_pretrained(tiny_llama)
    tokenizer.add_tokens(list(USUAL))
    model.resize_token_embeddings(len(tokenizer))
    tokenizer.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    for folder, marks in ((tiny_llama, None), (tmp_path, USUAL)):
        settings = settings_for("transformers", folder)
        engine = load_engine(settings, Said())
        assert await marks_of(engine, settings) == marks
        engine.close()
    bias = {str(tokenizer.convert_tokens_to_ids(USUAL.begin)): 100}
    asked = {"model": settings.name, "max_tokens": 3, "logit_bias": bias}
    async with local_worker(settings) as worker:
        [choice] = (await worker.chat(**asked)).json()["choices"]
        assert choice["message"]["reasoning_content"] == "<think><think>"
        assert choice["message"]["content"] == ""


async def test_the_operator_knows_better() -> None:
    thinker = Templated(("<think>", "</think>"))
    assert await marks_of(thinker, options(thinking=False)) is None
    assert await marks_of(thinker, options(thinking="")) is None
    assert await marks_of(EchoEngine(), options(thinking="[a] [b]")) == Marks("[a]", "[b]")
    for wrong in ("<think>", "a b c", True, 3):
        with pytest.raises(StartError, match=r"'echo': options\.thinking"):
            await marks_of(EchoEngine(), options(thinking=wrong))


async def test_what_it_thinks_is_told_apart() -> None:
    async with local_worker(options(thinking="<think> </think>")) as worker:
        answer = (await worker.chat(**ASKED, logprobs=True)).json()
        [choice] = answer["choices"]
        assert choice["message"]["reasoning_content"] == "hm so"
        assert choice["message"]["content"] == "yes <think>"
        tokens = [one["token"] for one in choice["logprobs"]["content"]]
        assert tokens == ["\n\nyes", " <think>"]
        assert answer["usage"]["completion_tokens"] == 6
        assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 4


async def test_no_mark_is_streamed() -> None:
    async with local_worker(options(thinking="<think> </think>")) as worker:
        options_ = {"include_usage": True}
        told = await worker.chat(**ASKED, stream=True, n=2, stream_options=options_)
        *chunks, _ = event_data(told.content)
        choices = [c for chunk in chunks for c in json.loads(chunk)["choices"]]
        for index in (0, 1):
            deltas = [c["delta"] for c in choices if c["index"] == index]
            assert "".join(d.get("reasoning_content", "") for d in deltas) == "hm so"
            assert "".join(d.get("content", "") for d in deltas) == "yes <think>"
        usage = json.loads(chunks[-1])["usage"]
        assert usage["completion_tokens_details"]["reasoning_tokens"] == 8


async def test_a_model_that_does_not_think_may_speak_of_it() -> None:
    async with local_worker() as worker:
        message = (await worker.chat(**ASKED)).json()["choices"][0]["message"]
        assert message["content"] == THOUGHT
        assert "reasoning_content" not in message
