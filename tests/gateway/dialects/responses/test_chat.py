"""A wish in the words of a chat."""

from __future__ import annotations

from typing import Any

import pytest

from server.core.errors import BadRequest
from server.gateway.dialects.responses.chat import chat_of
from server.gateway.dialects.responses.items import read_input
from server.gateway.dialects.responses.wish import read_wish

CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "7"}


def chat(given: Any = "hi", *, stream: bool = False, **fields: Any) -> dict[str, Any]:
    wish, choice = read_wish({"model": "m", "input": given} | fields)
    return chat_of(wish, choice, read_input(given, "x"), stream=stream)


def test_nothing_is_said_that_was_not_asked_for() -> None:
    assert chat() == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_a_stream_asks_for_its_usage() -> None:
    asked = chat(stream=True)
    assert (asked["stream"], asked["stream_options"]) == (True, {"include_usage": True})


def test_fields_go_by_their_names_in_a_chat() -> None:
    asked = chat(
        instructions="be brief",
        max_output_tokens=5,
        temperature=0.5,
        top_p=0.9,
        user="u",
        prompt_cache_key="k",
        reasoning={"effort": "low", "summary": "auto"},
        text={"verbosity": "low", "format": {"type": "json_object"}},
        service_tier="flex",
        top_logprobs=2,
        metadata={"mine": "only"},
    )
    assert asked["messages"][0] == {"role": "system", "content": "be brief"}
    del asked["messages"]
    assert asked == {
        "model": "m",
        "max_completion_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "user": "u",
        "prompt_cache_key": "k",
        "reasoning_effort": "low",
        "verbosity": "low",
        "response_format": {"type": "json_object"},
        "service_tier": "flex",
        "logprobs": True,
        "top_logprobs": 2,
    }


def test_a_schema_is_passed_on() -> None:
    format = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    assert chat(text={"format": format})["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
    }


def test_tools_and_the_choice_between_them() -> None:
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
    function = {"name": "f", "parameters": {"type": "object"}, "strict": False}
    asked = chat(
        tools=[tool], tool_choice={"type": "function", "name": "f"}, parallel_tool_calls=False
    )
    assert asked["tools"] == [{"type": "function", "function": function}]
    assert asked["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert asked["parallel_tool_calls"] is False
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [tool]}
    assert chat(tools=[tool], tool_choice=allowed)["tool_choice"] == {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "required",
            "tools": [{"type": "function", "function": {"name": "f"}}],
        },
    }
    assert "tool_choice" not in chat(tool_choice="none")


def test_messages_of_several_parts_keep_them() -> None:
    image = {"type": "input_image", "image_url": "data:,x", "detail": "low"}
    content = [{"type": "input_text", "text": "see"}, image]
    [message] = chat([{"role": "user", "content": content}])["messages"]
    assert message["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "data:,x", "detail": "low"}},
    ]


def test_calls_belong_to_what_the_model_said_and_outputs_follow() -> None:
    asked = chat(
        [
            {"role": "developer", "content": "d"},
            {"role": "user", "content": "u"},
            {"type": "reasoning", "summary": []},
            {"role": "assistant", "content": "wait"},
            CALL,
            {**CALL, "call_id": "d"},
            OUTPUT,
            {**OUTPUT, "call_id": "d"},
            {**CALL, "call_id": "e"},
            {**OUTPUT, "call_id": "e"},
        ]
    )
    roles = [message["role"] for message in asked["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool", "assistant", "tool"]
    said = asked["messages"][2]
    assert (said["content"], [call["id"] for call in said["tool_calls"]]) == ("wait", ["c", "d"])
    assert asked["messages"][5]["content"] is None


def test_thoughts_go_back_to_the_model_until_the_user_asks_again() -> None:
    def thought(text: str) -> dict[str, Any]:
        content = [{"type": "reasoning_text", "text": text}]
        return {"type": "reasoning", "summary": [], "content": content}

    asked = chat(
        [
            {"role": "user", "content": "one"},
            thought("old"),
            {"role": "assistant", "content": "1"},
            {"role": "user", "content": "two"},
            thought("new"),
            CALL,
            OUTPUT,
            thought("newer"),
            {"role": "assistant", "content": "wait"},
        ]
    )
    thoughts = [message.get("reasoning_content") for message in asked["messages"]]
    assert thoughts == [None, None, None, "new", None, "newer"]


def test_an_output_without_its_call_is_refused() -> None:
    with pytest.raises(BadRequest, match="with call_id c"):
        chat([OUTPUT])


def test_thoughts_alone_are_nothing_to_answer() -> None:
    with pytest.raises(BadRequest, match="nothing in it was said"):
        chat([{"type": "reasoning", "summary": []}])
