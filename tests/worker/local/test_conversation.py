from __future__ import annotations

from typing import Any

import pytest

from server.wire.openai import ChatRequest
from server.worker.asked import Calls, JsonObject
from server.worker.call_style import PLAIN
from server.worker.calls import Call
from server.worker.local.conversation import chat_of, form_of

TOOLS = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]
ONE = {"type": "function", "function": {"name": "g"}}
SOME: dict[str, Any] = {"mode": "auto", "tools": [ONE]}


def request(**more: Any) -> ChatRequest:
    said = {"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": TOOLS}
    return ChatRequest.model_validate(said | more)


@pytest.mark.parametrize(
    ("fields", "names", "demanded", "many"),
    [
        ({}, "fg", False, True),
        ({"tool_choice": "auto", "parallel_tool_calls": False}, "fg", False, False),
        ({"tool_choice": "required"}, "fg", True, True),
        ({"tool_choice": ONE}, "g", True, False),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": SOME}}, "g", False, True),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": SOME | {"mode": "required"}}},
         "g", True, True),
        ({"tools": None, "functions": [{"name": "f"}]}, "f", False, False),
        ({"tools": None, "functions": [{"name": "f"}], "function_call": {"name": "f"}},
         "f", True, False),
    ],
)  # fmt: skip
def test_the_choice_says_what_may_be_called(
    fields: dict[str, Any], names: str, demanded: bool, many: bool
) -> None:
    form = form_of(request(**fields), PLAIN)
    assert isinstance(form, Calls)
    assert "".join(function.name for function in form.functions) == names
    assert (form.demanded, form.many) == (demanded, many)


def test_who_may_call_nothing_is_offered_nothing() -> None:
    asked = request(tool_choice="none", response_format={"type": "json_object"})
    assert chat_of(asked).functions == ()
    assert form_of(asked, None) == JsonObject()


def test_a_form_is_that_of_the_text_where_nothing_is_called() -> None:
    form = form_of(request(response_format={"type": "json_object"}), PLAIN)
    assert isinstance(form, Calls) and form.text == JsonObject()


def test_where_a_function_stands_is_known() -> None:
    assert [one.param for one in chat_of(request()).functions] == [
        "tools[0].function", "tools[1].function"
    ]  # fmt: skip
    old = request(tools=None, functions=[{"name": "f"}])
    assert [one.param for one in chat_of(old).functions] == ["functions[0]"]


def test_messages_bring_thoughts_calls_and_results() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = {"role": "assistant", "reasoning_content": "hm", "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "7"}]}
    first, second = chat_of(request(messages=[said, result])).turns
    assert (first.text, first.thought, first.calls) == ("", "hm", (Call("1", "f", "{}"),))
    assert (second.role, second.text, second.call_id) == ("tool", "7", "1")


@pytest.mark.parametrize(
    ("fields", "variables"),
    [
        ({}, {}),
        ({"reasoning_effort": "none"}, {"enable_thinking": False, "thinking": False}),
        ({"reasoning_effort": "low"},
         {"enable_thinking": True, "thinking": True, "reasoning_effort": "low"}),
        ({"reasoning_effort": "none", "chat_template_kwargs": {"thinking": True, "a": [1]}},
         {"enable_thinking": False, "thinking": True, "a": [1]}),
    ],
)  # fmt: skip
def test_the_template_is_told_of_the_effort(
    fields: dict[str, Any], variables: dict[str, object]
) -> None:
    assert chat_of(request(**fields)).variables == variables
