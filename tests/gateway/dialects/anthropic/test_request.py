from __future__ import annotations

from typing import Any

import orjson
import pytest

from server.core.errors import BadRequest
from server.gateway.dialects.anthropic.request import CountRequest, MessagesRequest, parse

Json = dict[str, Any]
ASK: Json = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}


def user(*blocks: object) -> Json:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def test_what_anthropics_clients_send_beside_it_all_is_ignored() -> None:
    more = {
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "service_tier": "auto",
        "context_management": {"edits": []},
        "mcp_servers": [],
        "metadata": {"user_id": None},
        "temperature": 1,
    }
    asked = parse(MessagesRequest, orjson.dumps(ASK | more))
    assert asked.shows_thinking
    assert asked.temperature == 1.0


TOOL: Json = {"name": "a", "input_schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_tokens": 2**40}, "max_tokens"),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"model": "m" * 201}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": [None]}, "messages.0"),
        ({"messages": [{"content": "x"}]}, "messages.0"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages.0"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages.0.content"),
        ({"messages": [ASK["messages"][0], {"role": "assistant", "content": "x"}]}, "messages"),
        (user({"type": "video"}), "messages.0.content.0"),
        (user({"text": "x"}), "messages.0.content.0"),
        (user({"type": "text"}), "messages.0.content.0.text"),
        (user({"type": "text", "text": 5}), "messages.0.content.0.text"),
        (user({"type": "tool_use", "id": "a", "name": "b", "input": {}}), "messages.0.content.0"),
        (user({"type": "image", "source": {"type": "file"}}), "messages.0.content.0.source"),
        (
            user({"type": "image", "source": {"type": "base64", "data": "x"}}),
            "messages.0.content.0.source.media_type",
        ),
        (
            user({"type": "document", "source": {"type": "content", "content": [{}]}}),
            "messages.0.content.0.source.content.0",
        ),
        (user({"type": "tool_result"}), "messages.0.content.0.tool_use_id"),
        ({"system": 5}, "system"),
        ({"system": [{"type": "image"}]}, "system.0.type"),
        ({"temperature": 1.5}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"top_k": 1.5}, "top_k"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"stop_sequences": [""]}, "stop_sequences.0"),
        ({"stream": "yes"}, "stream"),
        ({"metadata": "me"}, "metadata"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
        ({"tools": [{"name": "a"}]}, "tools.0.input_schema"),
        ({"tools": [{"type": "web_search_20250305", "name": "a"}]}, "tools.0.type"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": {"type": "some"}}, "tool_choice"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "other"}},
            "tool_choice",
        ),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"mcp_servers": [{"url": "x"}]}, "mcp_servers"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
    ],
)
def test_the_first_field_that_is_wrong_is_named(wrong: Json, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(MessagesRequest, orjson.dumps(ASK | wrong))
    assert refused.value.param == param
    assert refused.value.message.startswith(f"{param}: ")


def test_a_field_that_must_be_there_is_named() -> None:
    for name in ASK:
        rest = {key: value for key, value in ASK.items() if key != name}
        with pytest.raises(BadRequest, match=f"^{name}: Field required.$"):
            parse(MessagesRequest, orjson.dumps(rest))


def test_a_count_needs_no_max_tokens_and_may_end_with_the_assistant() -> None:
    said = [*ASK["messages"], {"role": "assistant", "content": "x"}]
    parse(CountRequest, orjson.dumps({"model": "m", "messages": said}))


@pytest.mark.parametrize(
    "messages",
    [
        [ASK["messages"][0]] * 10_001,
        user(*[{"type": "text", "text": "x"}] * 4097)["messages"],
        user(*[{"type": "text", "text": "x"}] * 4000)["messages"] * 6,
        user(*[{"type": "tool_result", "tool_use_id": "t", "content": [{}] * 21}] * 1000)[
            "messages"
        ],
    ],
)
def test_more_than_can_be_read_at_once_is_refused(messages: list[Json]) -> None:
    with pytest.raises(BadRequest, match=r"^messages.*at most"):
        parse(MessagesRequest, orjson.dumps(ASK | {"messages": messages}))


def test_a_refusal_does_not_repeat_all_that_was_sent() -> None:
    with pytest.raises(BadRequest) as refused:
        parse(MessagesRequest, orjson.dumps(ASK | user({"type": "x" * 100_000})))
    assert len(refused.value.message) < 400
