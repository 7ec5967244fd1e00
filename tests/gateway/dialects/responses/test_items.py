"""An input in all its spellings, and every way to spell it wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.core.errors import BadRequest
from server.gateway.dialects.responses.items import read_input
from server.wire.openai import MAX_MESSAGES
from tests.gateway.dialects.responses.conftest import checked_list

CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "7"}


def listed(*items: Any) -> list[dict[str, Any]]:
    found = read_input(list(items), "0" * 32)
    page = {
        "object": "list",
        "data": found,
        "first_id": found[0]["id"],
        "last_id": found[-1]["id"],
        "has_more": False,
    }
    return checked_list(json.loads(json.dumps(page)))


def test_a_string_is_a_message_of_the_user() -> None:
    [message] = read_input("hi", "x")
    assert (message["id"], message["role"]) == ("msg_x_i0", "user")
    assert message["content"] == [{"type": "input_text", "text": "hi"}]


def test_items_are_listed_with_every_field() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    file = {"type": "input_file", "file_data": "data:,x", "filename": "x.txt"}
    parts = [{"type": "input_text", "text": "see"}, image, file]
    found = listed(
        {"role": "developer", "content": "be brief"},
        {"type": "message", "role": "user", "content": parts},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "ok"}]},
        CALL,
        OUTPUT,
        {**OUTPUT, "output": [{"type": "input_text", "text": "7"}]},
    )
    assert found[1]["content"][1]["detail"] == "auto"
    assert found[2]["id"] == "rs_1"
    assert found[3]["content"][0]["annotations"] == []
    assert [item["status"] for item in found] == ["completed"] * 7


@pytest.mark.parametrize(
    ("given", "param"),
    [
        (None, "input"),
        (7, "input"),
        ([], "input"),
        ({}, "input"),
        ([7], "input[0]"),
        ([{"type": 7}], "input[0].type"),
        ([{"type": ["message"]}], "input[0].type"),
        ([{"type": "web_search_call", "id": "x"}], "input[0].type"),
        ([{}], "input[0].id"),
        ([{"type": "item_reference"}], "input[0].id"),
        ([{"role": "robot", "content": "x"}], "input[0].role"),
        ([{"role": ["user"], "content": "x"}], "input[0].role"),
        ([{"role": "user"}], "input[0].content"),
        ([{"role": "user", "content": 7}], "input[0].content"),
        ([{"role": "user", "content": [7]}], "input[0].content[0].type"),
        ([{"role": "user", "content": [{"type": {}}]}], "input[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "input_text"}]}], "input[0].content[0].text"),
        ([{"role": "user", "content": [{"type": "input_audio"}]}], "input[0].content[0].type"),
        (
            [{"role": "user", "content": [{"type": "input_image"}]}],
            "input[0].content[0].image_url",
        ),
        (
            [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}],
            "input[0].content[0].file_id",
        ),
        (
            [{"role": "user", "content": [{"type": "input_file", "file_url": "f"}]}],
            "input[0].content[0].file_url",
        ),
        (
            [{"role": "assistant", "content": [{"type": "input_image"}]}],
            "input[0].content[0].type",
        ),
        ([{**CALL, "arguments": {}}], "input[0].arguments"),
        ([{**CALL, "name": ""}], "input[0].name"),
        ([{**CALL, "id": 7}], "input[0].id"),
        ([{**CALL, "status": []}], "input[0].status"),
        ([{**OUTPUT, "output": None}], "input[0].output"),
        ([{**OUTPUT, "call_id": None}], "input[0].call_id"),
        ([{"type": "reasoning", "summary": "hm"}], "input[0].summary"),
        (["hi"], "input[0]"),
    ],
)
def test_what_is_no_item_is_refused_by_its_place(given: Any, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_input(given, "x")
    assert refused.value.param == param
    assert refused.value.code


def test_too_many_items_are_refused_before_they_are_read() -> None:
    with pytest.raises(BadRequest, match=f"at most {MAX_MESSAGES}"):
        read_input([7] * (MAX_MESSAGES + 1), "x")
