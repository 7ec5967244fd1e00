"""Where a model ends an answer that its form does not let end yet."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from server.core.settings import ModelSettings
from server.worker.asked import Calls, Form, JsonSchema
from server.worker.call_style import PLAIN
from server.worker.calls import Function
from server.worker.forms.grammar import Constraint, Grammars
from tests.fakes.worker import local_worker
from tests.worker.forms.grammars import ENDS, NEW_LIBRARY, VOCABULARY, allowed

TWO = {
    "type": "object",
    "properties": {"one": {"type": "string"}, "two": {"type": "string"}},
    "required": ["one", "two"],
    "additionalProperties": False,
}
CALLED = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
BUNDLED = ModelSettings(name="mini", path="bundled:shortline-mini", threads=1, context_length=640)


def wants_to_end(sure: float = 30.0) -> Tensor:
    scores = torch.zeros(VOCABULARY)
    scores[ENDS[0]] = sure
    return scores


async def after(tokenizer: Any, grammars: Grammars, form: Form, text: str) -> Constraint:
    constraint = (await grammars.compile(form)).begin()
    for token in tokenizer.encode(text):
        assert token in allowed(constraint)
        constraint.accept(token)
    return constraint


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ('{"one": "it is', '"'),
        ('{"one": "a, b}', '"'),
        pytest.param('{"one"', ":", marks=NEW_LIBRARY),
        ('{"one": "x"', ","),
        ('{"one": "x", "two": "y"', "}"),
    ],
)
async def test_what_an_end_has_goes_to_the_mark_that_brings_it_nearer(
    tokenizer: Any, grammars: Grammars, quick: None, text: str, mark: str
) -> None:
    constraint = await after(tokenizer, grammars, JsonSchema(TWO), text)
    masked = constraint.mask(wants_to_end())
    assert int(masked.argmax()) == tokenizer.convert_tokens_to_ids(mark)
    assert float(masked.max()) == pytest.approx(30.0)


async def test_a_model_that_wants_to_end_does(
    tokenizer: Any, grammars: Grammars, quick: None
) -> None:
    constraint = await after(tokenizer, grammars, JsonSchema(TWO), '{"one": "it is')
    taken = []
    while not constraint.is_done:
        taken.append(int(constraint.mask(wants_to_end()).argmax()))
        constraint.accept(taken[-1])
    assert tokenizer.decode(taken).replace(" ", "") == '","two":""}'


async def test_nothing_is_given_where_an_end_may_come(
    tokenizer: Any, grammars: Grammars, quick: None
) -> None:
    constraint = await after(tokenizer, grammars, JsonSchema({"type": "integer"}), "12")
    masked, scores = constraint.mask(wants_to_end()), wants_to_end()
    possible = torch.isfinite(masked)
    assert bool((masked[possible] == scores[possible]).all())


async def test_odds_are_added_and_none_are_lost(
    tokenizer: Any, grammars: Grammars, quick: None
) -> None:
    constraint = await after(tokenizer, grammars, JsonSchema({"type": "string"}), '"it is')
    masked = constraint.mask(torch.zeros(VOCABULARY))
    quote = tokenizer.convert_tokens_to_ids('"')
    assert float(masked[quote].exp()) == pytest.approx(1 + len(ENDS))
    assert float(constraint.mask(torch.zeros(1000))[quote].exp()) == pytest.approx(1 + len(ENDS))


async def test_behind_a_call_what_may_not_come_goes_to_the_end(
    tokenizer: Any, grammars: Grammars, quick: None
) -> None:
    constraint = await after(tokenizer, grammars, demanded(), CALLED)
    [again, *ends] = sorted(set(allowed(constraint)), reverse=True)
    assert tokenizer.decode(again) == "\n" and ends == sorted(ENDS, reverse=True)
    masked = constraint.mask(torch.zeros(VOCABULARY))
    assert float(masked.exp().sum()) == pytest.approx(VOCABULARY, rel=1e-4)
    assert float(masked[again]) == 0


async def test_a_model_that_wants_another_call_gets_it(
    tokenizer: Any, grammars: Grammars, quick: None
) -> None:
    constraint = await after(tokenizer, grammars, demanded(), CALLED)
    scores = torch.zeros(VOCABULARY)
    scores[tokenizer.convert_tokens_to_ids(tokenizer.tokenize("\n"))[0]] = 30.0
    assert int(constraint.mask(scores).argmax()) not in ENDS


async def test_a_text_that_may_end_anywhere_is_given_nothing(
    tokenizer: Any, grammars: Grammars, quick: None
) -> None:
    constraint = await after(tokenizer, grammars, Calls((Function("f"),), PLAIN), "Hello")
    masked = constraint.mask(torch.zeros(VOCABULARY))
    assert float(masked.max()) == 0


def demanded() -> Calls:
    return Calls((Function("f"),), PLAIN, demanded=True)


@pytest.mark.parametrize("question", ["Tell me a joke about cats.", "Is the sky blue?"])
async def test_the_bundled_model_does_not_talk_until_its_context_is_full(question: str) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "two", "strict": True, "schema": TWO}}
    body = {"messages": [{"role": "user", "content": question}], "response_format": form}
    async with local_worker(BUNDLED) as worker:
        answer = await worker.chat(model="mini", temperature=0, **body)
    assert answer.json()["choices"][0]["finish_reason"] == "stop"
