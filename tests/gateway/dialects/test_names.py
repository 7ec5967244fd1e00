"""What workers refuse in a chat is told by the names of the request that it was made of."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from server.core.errors import BadRequest
from server.gateway.dialects.anthropic.names import names_of as names_of_anthropic
from server.gateway.dialects.anthropic.request import MessagesRequest, parse
from server.gateway.dialects.names import Names
from server.gateway.dialects.responses.chat import messages_of
from server.gateway.dialects.responses.items import read_input
from server.gateway.dialects.responses.names import names_of as names_of_response
from server.gateway.dialects.responses.names import names_of_summary
from server.gateway.dialects.responses.wish import read_wish
from tests.fakes.upstream import says, upstream, whole
from tests.gateway.conftest import gateway, view
from tests.gateway.dialects.responses.conftest import responding

CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
ITEMS: list[dict[str, Any]] = [
    {"role": "user", "content": "hi"},
    {"type": "reasoning", "summary": []},
    CALL,
    CALL | {"call_id": "c2"},
    {"type": "function_call_output", "call_id": "c1", "output": "1"},
    {"type": "function_call_output", "call_id": "c2", "output": "2"},
    {"role": "user", "content": [{"type": "input_text", "text": "so?"}]},
]
TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": "hi"},
    {"role": "user", "content": "there"},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {}}]},
    {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "c1", "content": "1"},
        {"type": "text", "text": "so?"}]},
]  # fmt: skip


def of_response(**fields: Any) -> Names:
    body = {"model": "m", "input": ITEMS, "instructions": "be brief"} | fields
    wish, _ = read_wish(body)
    return names_of_response(wish, read_input(body["input"], "n"), before=0)


def of_anthropic(**fields: Any) -> Names:
    body = {"model": "m", "max_tokens": 1, "messages": TURNS, "system": "be brief"} | fields
    return names_of_anthropic(parse(MessagesRequest, orjson.dumps(body)))


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("model", "model"),
        ("max_completion_tokens", "max_output_tokens"),
        ("max_tokens", "max_output_tokens"),
        ("messages", "input"),
        ("messages[0].content", "instructions"),
        ("messages[1].content", "input[0].content"),
        ("messages[1].content[0].text", "input[0].content[0].text"),
        ("messages[2]", "input[2]"),
        ("messages[2].tool_calls[0].id", "input[2].call_id"),
        ("messages[2].tool_calls[1].function.arguments", "input[3].arguments"),
        ("messages[2].tool_calls[99]", "input[3]"),
        ("messages[4].content", "input[5].output"),
        ("messages[3].tool_call_id", "input[4].call_id"),
        ("messages[5].content[0]", "input[6].content[0]"),
        ("messages[99].content", "input"),
        ("tools[3].function.parameters.x", "tools[3].parameters.x"),
        ("tool_choice.function.name", "tool_choice.name"),
        ("response_format", "text.format"),
        ("response_format.json_schema.schema", "text.format.schema"),
        ("reasoning_effort", "reasoning.effort"),
        ("verbosity", "text.verbosity"),
        ("stopped", "stopped"),
    ],
)
def test_fields_of_a_response(name: str, own: str) -> None:
    assert of_response().own(name) == own


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("messages", "messages"),
        ("max_completion_tokens", "max_tokens"),
        ("messages[0].content", "system"),
        ("messages[1].content[0]", "messages.0.content"),
        ("messages[2].tool_calls[0].function.name", "messages.2.content"),
        ("messages[3].content", "messages.3.content"),
        ("messages[4]", "messages.3"),
        ("messages[99]", "messages"),
        ("tools[1].function.parameters", "tools.1.input_schema"),
        ("tools[1].type", "tools.1"),
        ("stop[0]", "stop_sequences[0]"),
        ("user", "metadata.user_id"),
        ("response_format.json_schema.schema", "output_config.format.schema"),
        ("parallel_tool_calls", "tool_choice.disable_parallel_tool_use"),
    ],
)
def test_fields_of_an_anthropic_request(name: str, own: str) -> None:
    assert of_anthropic().own(name) == own


def test_messages_of_earlier_responses_and_of_plain_inputs_have_no_number() -> None:
    wish, _ = read_wish({"model": "m", "input": "hi", "previous_response_id": "resp_1"})
    items = [*read_input(ITEMS, "n"), *read_input("hi", "o")]
    names = names_of_response(wish, items, before=len(ITEMS))
    assert names.own("messages[0].content") == "previous_response_id"
    assert names.own(f"messages[{len(messages_of(None, items)) - 1}].content") == "input"
    assert names_of_summary().own("messages[1].content") == "input"


def test_a_message_names_the_field_in_its_own_words() -> None:
    names = of_response()
    told = names.reworded(
        {
            "message": "Invalid value for 'messages[1].content': max_tokens and messages.",
            "param": "messages[1].content",
            "code": "x",
        }
    )
    assert told == {
        "message": "Invalid value for 'input[0].content': max_output_tokens and messages.",
        "param": "input[0].content",
        "code": "x",
    }
    long = names.reworded({"message": "Reduce the length of the messages.", "param": "messages"})
    assert long["message"] == "Reduce the length of the input."
    none = {"message": "9 characters of messages; 'image_url' is no text.", "param": "messages"}
    assert names.reworded(none)["message"] == "9 characters of input; 'input_image' is no text."
    calls = {"message": "With 'tool_calls' comes each 'tool_call_id'.", "param": "messages[2]"}
    told = of_anthropic().reworded(calls)
    assert told["message"] == "With 'tool_use' comes each 'tool_use_id'."
    stop = BadRequest("Invalid value for 'stop': stop it.", param="stop")
    of_anthropic().reword(stop)
    assert (stop.message, stop.param) == (
        "Invalid value for 'stop_sequences': stop it.",
        "stop_sequences",
    )


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"error": "x"}', b'{"detail": []}'])
def test_what_is_no_envelope_stays_as_it_is(body: bytes) -> None:
    assert of_response().reworded_body(body) == body


@pytest.mark.parametrize("error", [{}, {"message": None, "param": 7}, {"message": [1]}])
def test_an_error_may_lack_anything(error: dict[str, Any]) -> None:
    assert of_response().reworded(error) == error


async def test_a_workers_refusal_is_told_so_at_both_paths() -> None:
    error = {"message": "Bad 'messages[1].content'.", "param": "messages[1].content"}
    refuses = says(whole(json.dumps({"error": error}).encode(), "400 Bad Request"))
    asked: dict[str, Any] = {"model": "m", "input": ITEMS, "instructions": "be brief"}
    async with upstream(refuses) as worker, responding(view(worker.url)) as served:
        for more in ({}, {"stream": True}):
            got = await served.client.post("/v1/responses", json=asked | more)
            told = got.json()["error"]
            assert (told["param"], told["message"]) == (
                "input[0].content",
                "Bad 'input[0].content'.",
            )
    said = {"model": "m", "max_tokens": 1, "messages": TURNS, "system": "be brief"}
    async with upstream(refuses) as worker, gateway(view(worker.url)) as served:
        for path in ("/v1/messages", "/v1/messages/count_tokens"):
            told = (await served.client.post(path, json=said)).json()["error"]
            assert told["details"]["param"] == "messages.0.content"
            assert told["message"] == "Bad 'messages.0.content'."
