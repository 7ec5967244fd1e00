"""What a model says, piece by piece, and what is told of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.gateway.dialects.responses.document import begun
from server.gateway.dialects.responses.making import Making
from server.gateway.dialects.responses.wish import read_wish
from tests.gateway.dialects.responses.conftest import checked, events_in

OF = "0" * 32


def making(**fields: Any) -> Making:
    wish, choice = read_wish({"model": "m", "input": "hi"} | fields)
    return Making(begun(wish, choice, f"resp_{OF}", 1_700_000_000), lambda: 1_700_000_009.5)


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": fields, "finish_reason": finish, "logprobs": None}
    return {"model": "m-1", "choices": [choice]}


def call(index: int | None, arguments: str, id: str = "", name: str = "") -> dict[str, Any]:
    said: dict[str, Any] = {"function": {"arguments": arguments}}
    if index is not None:
        said["index"] = index
    if id:
        said |= {"id": id, "type": "function"}
    if name:
        said["function"]["name"] = name
    return said


USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 5,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


def streamed(*chunks: dict[str, Any], of: Making | None = None) -> list[dict[str, Any]]:
    one = of or making()
    told = b"".join(one.chunk(chunk) for chunk in chunks)
    return events_in(told + one.end() + one.last())


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_a_text_is_told_in_the_order_of_openais_events() -> None:
    events = streamed(
        delta(role="assistant", content=""),
        delta(content="Hel"),
        delta(content="lo"),
        delta("stop"),
        {"choices": [], "usage": USAGE},
    )
    assert names(events) == [
        "created", "in_progress", "output_item.added", "content_part.added",
        "output_text.delta", "output_text.delta", "output_text.done", "content_part.done",
        "output_item.done", "completed",
    ]  # fmt: skip
    response = events[-1]["response"]
    assert response["output"][0]["content"][0]["text"] == "Hello"
    assert (response["status"], response["completed_at"]) == ("completed", 1_700_000_009)
    assert (response["model"], events[0]["response"]["model"]) == ("m-1", "m-1")
    assert response["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 12,
    }


def test_thoughts_come_first_and_are_an_item_of_their_own() -> None:
    events = streamed(
        delta(reasoning_content="hm", reasoning="hm"), delta(content="yes"), delta("stop")
    )
    assert names(events)[2:9] == [
        "output_item.added", "content_part.added", "reasoning_text.delta", "reasoning_text.done",
        "content_part.done", "output_item.done", "output_item.added",
    ]  # fmt: skip
    thought, message = events[-1]["response"]["output"]
    assert thought["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert (thought["summary"], message["content"][0]["text"]) == ([], "yes")


def test_calls_side_by_side_are_put_together_by_their_numbers() -> None:
    events = streamed(
        delta(content="wait"),
        delta(tool_calls=[call(0, "", "call_a", "f"), call(1, "", "call_b", "g")]),
        delta(tool_calls=[call(1, '{"y":')]),
        delta(tool_calls=[call(0, '{"x":1}'), call(1, "2}")]),
        delta("tool_calls"),
    )
    message, one, two = events[-1]["response"]["output"]
    assert message["status"] == "completed"
    assert (one["call_id"], one["name"], one["arguments"]) == ("call_a", "f", '{"x":1}')
    assert (two["call_id"], two["name"], two["arguments"]) == ("call_b", "g", '{"y":2}')
    done = [event for event in events if event["type"].endswith("arguments.done")]
    assert [event["arguments"] for event in done] == ['{"x":1}', '{"y":2}']
    added = [event["item"] for event in events if event["type"].endswith("item.added")]
    assert [item["status"] for item in added] == ["in_progress"] * 3


@pytest.mark.parametrize("index", [0, None])
def test_calls_that_are_all_numbered_alike_are_told_apart_by_their_ids(index: int | None) -> None:
    events = streamed(
        delta(tool_calls=[call(index, "{}", "a", "f")]),
        delta(tool_calls=[call(index, "[]", "b", "f")]),
    )
    assert [item["call_id"] for item in events[-1]["response"]["output"]] == ["a", "b"]


def test_arguments_that_come_as_an_object_are_written_as_one() -> None:
    said = {"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}}
    [call] = streamed(delta(tool_calls=[said]))[-1]["response"]["output"]
    assert call["arguments"] == '{"x":1}'


def test_a_call_may_be_told_further_after_something_else() -> None:
    events = streamed(
        delta(tool_calls=[call(0, '{"x":', "a", "f")]),
        delta(content="hm"),
        delta(tool_calls=[call(0, "1}")]),
    )
    said = events[-1]["response"]["output"]
    assert [item["type"] for item in said] == ["function_call", "message"]
    assert said[0]["arguments"] == '{"x":1}'


@pytest.mark.parametrize("finish", [7, [], {}, "tool_calls", "eos"])
def test_an_odd_reason_to_finish_is_an_end(finish: Any) -> None:
    assert names(streamed(delta(content="x"), delta(finish)))[-1] == "completed"


def test_a_refusal_is_no_text() -> None:
    events = streamed(delta(refusal="no"), delta("stop"))
    assert "refusal.delta" in names(events)
    assert events[-1]["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "no"}]


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("length", "max_output_tokens"), ("content_filter", "content_filter")],
)
def test_an_answer_that_was_cut_short_is_incomplete(finish: str, reason: str) -> None:
    events = streamed(delta(content="Hel"), delta(finish))
    response = events[-1]["response"]
    assert names(events)[-1] == response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": reason}
    assert (response["completed_at"], response["output"][0]["status"]) == (None, "incomplete")


def test_a_model_that_says_nothing_leaves_an_empty_message() -> None:
    [message] = streamed(delta("stop"))[-1]["response"]["output"]
    assert message["content"][0]["text"] == ""


def test_a_stream_that_breaks_off_says_so_and_what_came_before() -> None:
    one = making()
    told = one.chunk(delta(content="Hel"))
    told += one.failure({"message": "The worker was lost.", "code": "worker_lost"}) + one.last()
    events = events_in(told)
    assert names(events)[-2:] == ["error", "failed"]
    assert (events[-2]["message"], events[-2]["code"]) == ("The worker was lost.", "worker_lost")
    response = events[-1]["response"]
    assert response["error"] == {"code": "server_error", "message": "The worker was lost."}
    assert response["output"][0]["content"][0]["text"] == "Hel"


def test_a_stream_may_fail_before_anything_was_said() -> None:
    one = making()
    events = events_in(one.failure({"message": "Slow down.", "code": "overloaded"}) + one.last())
    assert names(events) == ["created", "in_progress", "error", "failed"]
    assert events[-1]["response"]["error"]["code"] == "rate_limit_exceeded"


def test_the_end_is_told_once_and_not_before_it_has_come() -> None:
    one = making()
    assert one.last() == b""
    one.chunk(delta(content="x"))
    one.end()
    assert one.last()
    assert one.last() == b""


def test_a_whole_answer_is_the_same_response() -> None:
    message = {
        "role": "assistant",
        "content": "Hello",
        "refusal": None,
        "reasoning_content": "hm",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls", "logprobs": None}
    said = checked(making().whole({"model": "m-1", "choices": [choice], "usage": USAGE}))
    kinds = [item["type"] for item in said["output"]]
    assert kinds == ["reasoning", "message", "function_call", "function_call"]
    assert [item["id"] for item in said["output"]] == [
        f"rs_{OF}_0", f"msg_{OF}_1", f"fc_{OF}_2", f"fc_{OF}_3",
    ]  # fmt: skip


def test_probabilities_of_tokens_are_told_with_their_bytes() -> None:
    token: dict[str, Any] = {"token": "H", "bytes": None, "logprob": -0.5, "top_logprobs": []}
    top = {**token, "top_logprobs": [{"token": "H", "logprob": -0.5, "bytes": [72]}]}
    chunk = delta(content="H")
    chunk["choices"][0]["logprobs"] = {"content": [top], "refusal": None}
    events = streamed(chunk, delta("stop"), of=making(top_logprobs=1))
    told = [{"token": "H", "bytes": [72], "logprob": -0.5}]
    part = events[-1]["response"]["output"][0]["content"][0]
    assert part["logprobs"] == [{**told[0], "top_logprobs": told}]
    assert [event["logprobs"] for event in events if event["type"].endswith("delta")] == [
        part["logprobs"]
    ]


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": 7},
        {"nothing": 1},
        {"choices": [3]},
        {"choices": [{"delta": "x"}]},
        {"choices": [{"delta": {"tool_calls": [7]}}]},
        {"choices": [{"delta": {"content": "x"}, "logprobs": {"content": [{"token": 1}]}}]},
    ],
)
def test_what_is_no_chunk_is_an_error_that_the_relay_understands(chunk: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError, IndexError)):
        making().chunk(chunk)


@pytest.mark.parametrize("usage", [None, 7, {"prompt_tokens": -1}, {"prompt_tokens": True}])
def test_usage_that_makes_no_sense_is_not_told(usage: Any) -> None:
    events = streamed(delta(content="x") | {"usage": usage}, delta("stop"))
    assert events[-1]["response"]["usage"] is None
    json.dumps(events)
