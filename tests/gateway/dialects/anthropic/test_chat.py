from __future__ import annotations

from typing import Any

import orjson

from server.gateway.dialects.anthropic.chat import chat_fields
from server.gateway.dialects.anthropic.request import MessagesRequest, parse

Json = dict[str, Any]
PNG = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
IMAGE = {"type": "image", "source": PNG}
IMAGE_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
CALL = {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": [1, "é"]}}
CALLED = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"x":[1,"é"]}'}}
SCHEMA = {"type": "object", "properties": {"x": {"type": "array"}}}


def fields_of(*messages: Json, **more: object) -> Json:
    body = {"model": "m", "max_tokens": 9, "messages": messages} | more
    return chat_fields(parse(MessagesRequest, orjson.dumps(body)))


def user(*content: object) -> Json:
    return {"role": "user", "content": content}


def assistant(*content: object) -> Json:
    return {"role": "assistant", "content": content}


def text(said: str) -> Json:
    return {"type": "text", "text": said}


def result(content: object = "42", **more: object) -> Json:
    return {"type": "tool_result", "tool_use_id": "t1", "content": content, **more}


def turns(*messages: Json) -> list[Json]:
    found: list[Json] = fields_of(*messages)["messages"]
    return found


def test_the_least_that_can_be_asked() -> None:
    assert fields_of({"role": "user", "content": "hi"}) == {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
    }


def test_every_wish_has_its_like() -> None:
    fields = fields_of(
        user(text("hi")),
        system="be brief",
        temperature=0.5,
        top_p=0.9,
        top_k=7,
        stop_sequences=["END"],
        metadata={"user_id": "u-1"},
        stream=True,
        tools=[{"name": "f", "description": "d", "input_schema": SCHEMA, "strict": True}],
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
    )
    function = {"name": "f", "parameters": SCHEMA, "description": "d", "strict": True}
    assert fields == {
        "model": "m",
        "max_tokens": 9,
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hi"},
        ],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 7,
        "stop": ["END"],
        "user": "u-1",
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
        },
    }


def test_each_tool_choice_has_its_name() -> None:
    tools = [{"name": "f", "input_schema": SCHEMA}]
    for ours, theirs in (("auto", "auto"), ("any", "required"), ("none", "none")):
        fields = fields_of(user(text("hi")), tools=tools, tool_choice={"type": ours})
        assert fields["tool_choice"] == theirs


def test_a_long_name_of_a_user_becomes_a_short_one_that_stays_the_same() -> None:
    named = [fields_of(user(text("x")), metadata={"user_id": "u" * 99})["user"] for _ in range(2)]
    assert named[0] == named[1]
    assert len(named[0]) == 64


def test_text_alone_is_one_string_and_an_image_makes_parts() -> None:
    assert turns(user(text("a"), text("b"))) == [{"role": "user", "content": "a\nb"}]
    linked = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    [turn] = turns(user(IMAGE, linked, text("what?")))
    assert turn["content"] == [
        IMAGE_PART,
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "text", "text": "what?"},
    ]


def test_documents_of_text_are_text_and_others_are_files() -> None:
    plain = {"type": "text", "media_type": "text/plain", "data": "body"}
    written = {"type": "content", "content": [text("one"), text("two")]}
    [turn] = turns(
        user(
            {"type": "document", "source": plain, "title": "T", "context": "C"},
            {"type": "document", "source": written},
        )
    )
    assert turn["content"] == "T\nC\nbody\none\ntwo"
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}
    [turn] = turns(user({"type": "document", "source": pdf}))
    file = {"filename": "document.pdf", "file_data": "data:application/pdf;base64,AAAA"}
    assert turn["content"] == [{"type": "file", "file": file}]


def test_calls_and_results_become_messages_of_their_own() -> None:
    assert turns(
        user(text("go")), assistant(text("well"), CALL), user(result(), text("and now?"))
    ) == [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": "well", "tool_calls": [CALLED]},
        {"role": "tool", "tool_call_id": "t1", "content": "42"},
        {"role": "user", "content": "and now?"},
    ]


def test_results_come_right_after_the_calls_and_their_images_after_them() -> None:
    said = turns(
        user(text("go")),
        assistant(CALL),
        user(text("look"), result([text("a"), IMAGE, text("b")]), result([], is_error=True)),
    )
    assert said[1]["content"] is None
    assert said[2:] == [
        {"role": "tool", "tool_call_id": "t1", "content": "a\nb"},
        {"role": "tool", "tool_call_id": "t1", "content": "Error: "},
        {"role": "user", "content": [{"type": "text", "text": "look"}, IMAGE_PART]},
    ]


def test_neighbours_of_one_role_are_one_turn() -> None:
    assert turns(
        user(text("a")),
        user(text("b")),
        assistant(text("c")),
        assistant(text("d")),
        user(text("e")),
    ) == [
        {"role": "user", "content": "a\nb"},
        {"role": "assistant", "content": "cd"},
        {"role": "user", "content": "e"},
    ]


def test_the_system_may_speak_in_between() -> None:
    said = turns(user(text("a")), {"role": "system", "content": "s"}, user(text("b")))
    assert [turn["role"] for turn in said] == ["user", "system", "user"]


def test_only_what_was_thought_since_the_last_question_is_shown_to_the_model_again() -> None:
    def thought(said: str) -> Json:
        return {"type": "thinking", "thinking": said, "signature": "s"}

    hidden = {"type": "redacted_thinking", "data": "x"}
    said = turns(
        user(text("a")),
        assistant(thought("old"), CALL),
        user(result(), text("b")),
        assistant(thought("new"), hidden, CALL),
        user(result()),
    )
    assert [turn.get("reasoning_content") for turn in said if turn["role"] == "assistant"] == [
        None,
        "new",
    ]


def test_an_assistant_that_said_nothing_has_said_an_empty_text() -> None:
    assert turns(user(text("a")), assistant(), user(text("b")))[1] == {
        "role": "assistant",
        "content": "",
    }
