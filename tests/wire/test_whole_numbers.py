from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from server.core.strict_json import parse_object
from server.gateway.dialects.anthropic.request import MessagesRequest
from server.gateway.dialects.responses.wish import Wish
from server.wire.openai import ChatRequest, CompletionRequest
from server.wire.whole_numbers import validate

HUGE = 10**30


def told(kind: type[BaseModel], body: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        validate(kind, body)
    return str(caught.value.errors(include_url=False)[0]["msg"])


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        (ChatRequest, b'"messages": [{"role": "user", "content": "x"}]'),
        (MessagesRequest, b'"messages": [{"role": "user", "content": "x"}]'),
        (CompletionRequest, b'"prompt": "x"'),
    ],
)
def test_a_huge_number_is_beyond_a_limit(kind: type[BaseModel], asked: bytes) -> None:
    fields = parse_object(b'{"model": "m", "max_tokens": %d, %s}' % (HUGE, asked))
    assert told(kind, fields) == "Input should be less than or equal to 2147483647"


def test_it_may_be_below_one_and_lie_deep() -> None:
    seed = {"model": "m", "messages": [{"role": "user", "content": "x"}], "seed": -float(HUGE)}
    assert told(ChatRequest, seed) == f"Input should be greater than or equal to {-(2**63)}"
    prompts = {"model": "m", "prompt": [[1], [2, float(HUGE)]]}
    assert told(CompletionRequest, prompts).endswith("2147483647")
    assert told(Wish, {"model": "m", "max_output_tokens": float(HUGE)}).endswith("2147483647")
    assert prompts["prompt"] == [[1], [2, float(HUGE)]]


@pytest.mark.parametrize("number", [1.5, float(2**53), float("inf")])
def test_what_is_no_whole_number_is_told_so(number: float) -> None:
    body = {"model": "m", "prompt": "x", "max_tokens": number}
    assert told(CompletionRequest, body) == "Input should be a valid integer"
