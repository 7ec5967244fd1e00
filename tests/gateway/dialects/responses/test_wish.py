"""What may be asked, and in which words the rest is refused."""

from __future__ import annotations

from typing import Any

import pytest

from server.core.errors import BadRequest
from server.gateway.dialects.responses.wish import read_wish

TOOL = {"type": "function", "name": "f"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": "m" * 201}, "model"),
        ({"instructions": 7}, "instructions"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": 7}, "stream_options"),
        ({"store": 1}, "store"),
        ({"background": "no"}, "background"),
        ({"background": True, "store": False}, "background"),
        ({"previous_response_id": ""}, "previous_response_id"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": True}, "max_output_tokens"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k"),
        ({"metadata": {"k": 7}}, "metadata.k"),
        ({"truncation": "some"}, "truncation"),
        ({"service_tier": "best"}, "service_tier"),
        ({"include": ["everything"]}, "include"),
        ({"reasoning": {"effort": "all"}}, "reasoning.effort"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"text": {"verbosity": "loud"}}, "text.verbosity"),
        ({"tools": {}}, "tools"),
        ({"tools": [7]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name"),
        ({"tools": [{**TOOL, "parameters": "{}"}]}, "tools[0].parameters"),
        ({"tools": [TOOL] * 129}, "tools"),
        ({"tools": [TOOL, {"type": "web_search"}]}, "tools[1].type"),
        ({"tools": [{"type": "mcp", "server_url": "http://x"}]}, "tools[0].type"),
        ({"tool_choice": 7}, "tool_choice"),
        ({"tool_choice": "always"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice.type"),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "g"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.mode"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto"}}, "tool_choice.tools"),
        ({"conversation": ""}, "conversation"),
        ({"conversation": {"name": "x"}}, "conversation.id"),
        ({"conversation": 7}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_wish({"model": "m", "input": "hi"} | fields)
    assert refused.value.param == param
    assert refused.value.code


def test_null_is_the_same_as_absent() -> None:
    names = (
        "instructions", "store", "stream", "background", "metadata", "tools", "tool_choice",
        "text", "reasoning", "include", "temperature", "truncation", "conversation",
    )  # fmt: skip
    wish, choice = read_wish({"model": "m", "input": "hi"} | dict.fromkeys(names))
    assert (wish.stores, wish.format.type, choice) == (True, "text", "auto")


def test_a_conversation_is_named_by_its_id_or_as_an_object() -> None:
    for named in ("conv_1", {"id": "conv_1"}):
        wish, _ = read_wish({"model": "m", "input": "hi", "conversation": named})
        assert wish.conversation_id == "conv_1"
    both = {"conversation": "conv_1", "previous_response_id": "resp_1"}
    with pytest.raises(BadRequest) as refused:
        read_wish({"model": "m", "input": "hi"} | both)
    assert refused.value.code == "mutually_exclusive_parameters"


def test_hosted_tools_are_refused_with_what_to_do_instead() -> None:
    with pytest.raises(BadRequest, match="run them yourself") as refused:
        read_wish({"model": "m", "input": "hi", "tools": [{"type": "file_search"}]})
    assert refused.value.code == "unsupported_tool"
