from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from server.core.errors import BadRequest
from server.wire.openai import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    bad_request,
    refuse_beyond_us,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
GOOD: dict[type[BaseModel], dict[str, Any]] = {
    ChatRequest: {"model": "m", "messages": [{"role": "user", "content": "x"}]},
    CompletionRequest: {"model": "m", "prompt": "x"},
    EmbeddingRequest: {"model": "m", "input": "x"},
}
FIELDS = [(kind, field) for kind in GOOD for field in kind.model_fields]
REQUIRED = [(kind, field) for kind, field in FIELDS if kind.model_fields[field].is_required()]


@pytest.mark.parametrize(("kind", "field"), FIELDS)
@given(value=JSON)
def test_any_value_is_taken_or_refused_with_a_param(
    kind: type[BaseModel], field: str, value: Any
) -> None:
    body = GOOD[kind] | {field: value}
    try:
        refuse_beyond_us(body)
        kind.model_validate(body)
    except BadRequest as error:
        assert error.param
    except ValidationError as error:
        refused = bad_request(error, body)
        assert refused.status == 400
        assert refused.param is not None
        assert refused.param.startswith(field)


@pytest.mark.parametrize(("kind", "field"), REQUIRED)
def test_a_missing_field_is_named(kind: type[BaseModel], field: str) -> None:
    body = {key: value for key, value in GOOD[kind].items() if key != field}
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(body)
    refused = bad_request(caught.value, body)
    assert refused.message == f"Missing required parameter: '{field}'."


def test_unknown_fields_are_ignored() -> None:
    body = GOOD[ChatRequest] | {"api_base": "http://evil", "metadata": {"a": 1}, "user": "u"}
    assert "api_base" not in ChatRequest.model_validate(body).model_dump()


@pytest.mark.parametrize(
    ("prompt", "read"),
    [("x", ["x"]), (["x", "y"], ["x", "y"]), ([1, 2], [[1, 2]]), ([[1], [2]], [[1], [2]])],
)
def test_prompts_become_a_list(prompt: Any, read: Any) -> None:
    assert CompletionRequest.model_validate({"model": "m", "prompt": prompt}).prompt == read


def test_an_assistants_empty_content_is_empty_text() -> None:
    body = {"model": "m", "messages": [{"role": "assistant", "content": None}]}
    assert ChatRequest.model_validate(body).messages[0].content == ""


@pytest.mark.parametrize("field", ["tools", "functions", "logprobs", "top_logprobs", "suffix"])
def test_what_no_local_engine_can_do_is_refused(field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        refuse_beyond_us({field: [1]})
    assert caught.value.param == field
    refuse_beyond_us({field: None})
    refuse_beyond_us({"response_format": {"type": "text"}})


LONG: dict[str, tuple[type[BaseModel], Any]] = {
    "input": (EmbeddingRequest, [1] + ["a"] * 100_000),
    "prompt": (CompletionRequest, [[1] + ["a"] * 100_000]),
    "messages": (ChatRequest, [1] * 100_000),
    "stop": (ChatRequest, [1] * 100_000),
    "logit_bias": (ChatRequest, {str(token): "x" for token in range(100_000)}),
}


@pytest.mark.parametrize("field", LONG)
def test_a_long_list_ends_at_its_first_mistake(field: str) -> None:
    kind, value = LONG[field]
    body = GOOD[kind] | {field: value}
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(body)
    assert caught.value.error_count() <= 2, "one, for each branch of a union"
    assert (bad_request(caught.value, body).param or "").startswith(field)
