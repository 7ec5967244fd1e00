from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from server.core.errors import BadRequest
from server.wire.openai import ChatRequest
from server.wire.openai_faults import bad_request

USER = {"role": "user", "content": "x"}
GOOD = {"model": "m", "messages": [USER]}


def refused(**fields: Any) -> BadRequest:
    body = {key: value for key, value in (GOOD | fields).items() if value != "absent"}
    with pytest.raises(ValidationError) as caught:
        ChatRequest.model_validate(body)
    return bad_request(caught.value, body)


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"messages": "absent"}, "messages", "missing_required_parameter"),
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": "x"}, "messages", "invalid_type"),
        ({"messages": [USER, {"role": "user"}]}, "messages[1].content",
         "missing_required_parameter"),
        ({"messages": [USER | {"role": "robot"}]}, "messages[0].role", "invalid_value"),
        ({"model": ""}, "model", "empty_string"),
        ({"model": "m" * 201}, "model", "string_above_max_length"),
        ({"n": 99}, "n", "integer_above_max_value"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"max_tokens": 1.5}, "max_tokens", "invalid_type"),
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"repetition_penalty": 0}, "repetition_penalty", "decimal_below_min_value"),
        ({"stop": ["x"] * 99}, "stop", "array_above_max_length"),
        ({"logit_bias": {"7": 1, "x": 1}}, "logit_bias.x", "invalid_value"),
        ({"logit_bias": {"\u0661": 1}}, "logit_bias.\u0661", "invalid_value"),
        ({"logit_bias": {"7": 101}}, "logit_bias.7", "decimal_above_max_value"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
    ],
)  # fmt: skip
def test_a_mistake_has_openais_param_and_code(
    fields: dict[str, Any], param: str, code: str
) -> None:
    error = refused(**fields)
    assert (error.param, error.code) == (param, code)
    assert f"'{param}'" in error.message


def test_fields_that_clash_are_told_in_whole_sentences() -> None:
    error = refused(top_logprobs=2)
    assert error.message == (
        "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."
    )


def test_a_long_key_is_told_in_part() -> None:
    error = refused(logit_bias={"x" * 10_000: 1})
    assert error.param is not None
    assert len(error.param) <= 200
