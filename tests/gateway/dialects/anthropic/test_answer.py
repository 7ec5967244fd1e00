from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import Message

from server.gateway.dialects.anthropic.answer import Expected, message_of
from tests.gateway.dialects.anthropic.said import strictly

Json = dict[str, Any]
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}


def answer(message: Json, reason: str = "stop", **more: object) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {
        "id": "chatcmpl-1",
        "model": "served",
        "choices": [choice | more],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }


def told(said: Json, *stops: str, thinking: bool = False) -> Message:
    return strictly(Message, message_of(said, Expected("m", stops, thinking)))


def test_a_text_is_one_block_with_the_usage() -> None:
    message = told(answer({"content": "hi"}))
    assert message.id.startswith("msg_")
    assert (message.model, message.stop_reason, message.stop_sequence) == (
        "served",
        "end_turn",
        None,
    )
    [block] = message.content
    assert (block.type, block.type == "text" and block.text) == ("text", "hi")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (11, 7)


@pytest.mark.parametrize(
    ("reason", "stop_reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("content_filter", "refusal"),
        ("something new", "end_turn"),
    ],
)
def test_each_reason_to_stop_has_its_name(reason: str, stop_reason: str) -> None:
    assert told(answer({"content": "hi"}, reason)).stop_reason == stop_reason


def test_a_stop_sequence_is_named_where_the_worker_says_it() -> None:
    message = told(answer({"content": "hi"}, stop_reason="END"), "END")
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "END")
    assert told(answer({"content": "hi"}, stop_reason=13), "END").stop_reason == "end_turn"


def test_calls_are_blocks_with_their_input_as_an_object() -> None:
    bare = {"function": {"name": "g", "arguments": ""}}
    broken = {"id": "c3", "function": {"name": "h", "arguments": "{"}}
    message = told(answer({"content": None, "tool_calls": [CALL, bare, broken]}))
    assert message.stop_reason == "tool_use"
    inputs = [block.input for block in message.content if block.type == "tool_use"]
    assert inputs == [{"x": 1}, {}, {"INVALID_JSON": "{"}]
    first, second, _ = message.content
    assert first.type == second.type == "tool_use"
    assert first.id == "c1"
    assert second.id.startswith("toolu_")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thoughts_are_shown_only_to_who_asked_for_them(name: str) -> None:
    said = answer({"content": "hi", name: "hm"})
    assert [block.type for block in told(said).content] == ["text"]
    thought, _ = told(said, thinking=True).content
    assert thought.type == "thinking"
    assert thought.thinking == "hm"
    assert thought.signature


def test_a_refusal_is_said_and_is_the_reason() -> None:
    message = told(answer({"content": None, "refusal": "no"}))
    assert message.stop_reason == "refusal"
    assert [block.type == "text" and block.text for block in message.content] == ["no"]


def test_what_came_out_of_a_cache_is_counted_beside_the_input() -> None:
    said = answer({"content": "hi"})
    said["usage"] |= {
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    usage = told(said).usage
    assert (usage.input_tokens, usage.cache_read_input_tokens) == (7, 4)
    assert usage.output_tokens_details is not None
    assert usage.output_tokens_details.thinking_tokens == 2


def test_an_answer_without_usage_or_text_is_still_a_message() -> None:
    said = answer({"content": None})
    del said["usage"], said["model"]
    message = told(said)
    assert (message.content, message.model, message.usage.output_tokens) == ([], "m", 0)


@pytest.mark.parametrize("said", [{"content": 5}, {"tool_calls": [5]}, {"tool_calls": [{}]}])
def test_what_is_no_answer_is_not_made_into_one(said: Json) -> None:
    with pytest.raises((KeyError, TypeError, AttributeError)):
        message_of(answer(said), Expected("m"))
