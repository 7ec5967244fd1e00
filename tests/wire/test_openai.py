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
    refuse_beyond_us,
)
from server.wire.openai_faults import bad_request
from server.wire.rerank import RerankRequest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
GOOD: dict[type[BaseModel], dict[str, Any]] = {
    ChatRequest: {"model": "m", "messages": [{"role": "user", "content": "x"}]},
    CompletionRequest: {"model": "m", "prompt": "x"},
    EmbeddingRequest: {"model": "m", "input": "x"},
    RerankRequest: {"model": "m", "query": "x", "documents": ["y"]},
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
    body = GOOD[ChatRequest] | {"api_base": "http://evil", "thinking": {"a": 1}}
    assert "api_base" not in ChatRequest.model_validate(body).model_dump()


@pytest.mark.parametrize(
    ("prompt", "read"),
    [("x", ["x"]), (["x", "y"], ["x", "y"]), ([1, 2], [[1, 2]]), ([[1], [2]], [[1], [2]])],
)
def test_prompts_become_a_list(prompt: Any, read: Any) -> None:
    assert CompletionRequest.model_validate({"model": "m", "prompt": prompt}).prompt == read


@pytest.mark.parametrize("kind", [CompletionRequest, EmbeddingRequest])
@pytest.mark.parametrize("mixed", [["x", [1]], [[1], "x"], [[1], 2], [1, "x"], ["x", None]])
def test_texts_and_tokens_are_not_mixed(kind: type[BaseModel], mixed: list[Any]) -> None:
    field = "prompt" if kind is CompletionRequest else "input"
    refused = refusal(kind, {field: mixed})
    assert (refused.param, refused.code) == (f"{field}[1]", "invalid_value")
    assert "cannot be mixed" in refused.message


def test_an_assistants_empty_content_is_empty_text() -> None:
    body = {"model": "m", "messages": [{"role": "assistant", "content": None}]}
    assert ChatRequest.model_validate(body).messages[0].content == ""


@pytest.mark.parametrize(
    "field", ["suffix", "audio", "moderation", "guided_json", "continue_final_message"]
)
def test_what_no_local_engine_can_do_is_refused(field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        refuse_beyond_us({field: [1]})
    assert caught.value.param == field
    refuse_beyond_us({field: None})


HEEDED_BY_NOBODY: dict[str, tuple[Any, Any]] = {
    "metadata": ({"a": "b"}, {"a": 1}),
    "modalities": (["text"], ["text", "audio"]),
    "parallel_tool_calls": (True, "yes"),
    "prediction": ({"type": "content", "content": "x"}, "x"),
    "prompt_cache_key": ("k", 1),
    "prompt_cache_retention": ("24h", 24),
    "reasoning_effort": ("xhigh", "utmost"),
    "safety_identifier": ("s", ["s"]),
    "service_tier": ("flex", "cheap"),
    "store": (True, 1),
    "user": ("u", 7),
    "verbosity": ("low", 0),
}
"""A value that may be said, and one that may not."""


@pytest.mark.parametrize("field", HEEDED_BY_NOBODY)
def test_what_changes_no_answer_may_be_said_if_it_makes_sense(field: str) -> None:
    good, bad = HEEDED_BY_NOBODY[field]
    ChatRequest.model_validate(GOOD[ChatRequest] | {field: good})
    ChatRequest.model_validate(GOOD[ChatRequest] | {field: None})
    assert refusal(ChatRequest, {field: bad}).param is not None


@pytest.mark.parametrize(
    ("kind", "fields", "param"),
    [
        (ChatRequest, {"stream_options": {"include_usage": True}}, "stream_options"),
        (ChatRequest, {"stream": False, "stream_options": {}}, "stream_options"),
        (ChatRequest, {"top_logprobs": 1}, "top_logprobs"),
        (ChatRequest, {"top_logprobs": 0, "logprobs": False}, "top_logprobs"),
        (CompletionRequest, {"max_tokens": 0}, "max_tokens"),
        (CompletionRequest, {"best_of": 2, "n": 3}, "best_of"),
        (CompletionRequest, {"best_of": 2, "stream": True}, "best_of"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(
    kind: type[BaseModel], fields: dict[str, Any], param: str
) -> None:
    refused = refusal(kind, fields)
    assert (refused.param, refused.code) == (param, "invalid_value")
    assert f"'{param}'" in refused.message


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (ChatRequest, {"stream": True, "stream_options": {"include_usage": True, "other": 1}}),
        (ChatRequest, {"logprobs": True, "top_logprobs": 20}),
        (CompletionRequest, {"max_tokens": 0, "echo": True, "logprobs": 0}),
        (CompletionRequest, {"best_of": 3, "n": 3, "stream": True}),
        (CompletionRequest, {"suffix": ""}),
    ],
)
def test_fields_that_go_together_are_taken(kind: type[BaseModel], fields: dict[str, Any]) -> None:
    kind.model_validate(GOOD[kind] | fields)


def test_no_prompt_is_where_a_text_begins() -> None:
    assert CompletionRequest.model_validate({"model": "m", "prompt": None}).prompt == [""]


def refusal(kind: type[BaseModel], fields: dict[str, Any]) -> BadRequest:
    body = GOOD[kind] | fields
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(body)
    return bad_request(caught.value, body)


LONG: dict[str, tuple[type[BaseModel], Any]] = {
    "input": (EmbeddingRequest, [1] + ["a"] * 100_000),
    "prompt": (CompletionRequest, [[1] + ["a"] * 100_000]),
    "messages": (ChatRequest, [1] * 100_000),
    "stop": (ChatRequest, [1] * 100_000),
    "logit_bias": (ChatRequest, {str(token): "x" for token in range(100_000)}),
    "metadata": (ChatRequest, {str(key): 1 for key in range(100_000)}),
    "modalities": (ChatRequest, [1] * 100_000),
}


@pytest.mark.parametrize("field", LONG)
def test_a_long_list_ends_at_its_first_mistake(field: str) -> None:
    kind, value = LONG[field]
    body = GOOD[kind] | {field: value}
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(body)
    assert caught.value.error_count() <= 2, "one, for each branch of a union"
    assert (bad_request(caught.value, body).param or "").startswith(field)
