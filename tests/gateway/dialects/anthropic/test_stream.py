from __future__ import annotations

from typing import Any

import pytest

from server.gateway.dialects.anthropic.answer import Expected
from server.gateway.dialects.anthropic.stream import MessageStream
from tests.gateway.dialects.anthropic.said import events_in

Json = dict[str, Any]
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


def piece(reason: str | None = None, **delta: object) -> Json:
    return {"model": "served", "choices": [{"delta": delta, "finish_reason": reason}]}


def call(index: int, arguments: str, id: str | None = None, name: str | None = None) -> Json:
    function = {"name": name, "arguments": arguments}
    return piece(tool_calls=[{"index": index, "id": id, "function": function}])


def told(*chunks: Json, thinking: bool = False, stops: tuple[str, ...] = ()) -> list[Json]:
    stream = MessageStream(Expected("m", stops, thinking))
    return events_in(b"".join(map(stream.chunk, chunks)) + stream.end())


def brief(events: list[Json]) -> list[str]:
    """Each event in a word or two."""
    said = []
    for event in events:
        kind = event["type"]
        if kind == "content_block_start":
            said.append(f"{event['index']} {event['content_block']['type']}")
        elif kind == "content_block_delta":
            values = [value for key, value in event["delta"].items() if key != "type"]
            said.append(f"{event['index']} +{values[0]}")
        elif kind == "content_block_stop":
            said.append(f"{event['index']} stop")
        else:
            said.append(kind)
    return said


def test_a_text_begins_goes_on_and_ends_with_the_usage() -> None:
    events = told(
        piece(role="assistant", content=""),
        piece(content="one "),
        piece(content="two"),
        piece("stop"),
        {"choices": [], "usage": USAGE},
    )
    assert brief(events) == [
        "message_start",
        "0 text",
        "0 +one ",
        "0 +two",
        "0 stop",
        "message_delta",
        "message_stop",
    ]
    start, *_, last, _ = events
    assert (start["message"]["model"], start["message"]["stop_reason"]) == ("served", None)
    assert last["delta"]["stop_reason"] == "end_turn"
    assert (last["usage"]["input_tokens"], last["usage"]["output_tokens"]) == (11, 7)


def test_thoughts_text_and_calls_are_blocks_one_after_the_other() -> None:
    events = told(
        piece(reasoning_content="h"),
        piece(reasoning="m"),
        piece(content="so"),
        call(0, "", "c1", "f"),
        call(0, '{"x"'),
        call(0, ":1}"),
        call(1, "{}", "c2", "g"),
        piece("tool_calls"),
        thinking=True,
    )
    assert brief(events)[1:-2] == [
        "0 thinking", "0 +h", "0 +m", "0 +unsigned", "0 stop",
        "1 text", "1 +so", "1 stop",
        "2 tool_use", '2 +{"x"', "2 +:1}", "2 stop",
        "3 tool_use", "3 +{}", "3 stop",
    ]  # fmt: skip
    started = [event["content_block"] for event in events if "content_block" in event]
    assert [(block["id"], block["name"]) for block in started[2:]] == [("c1", "f"), ("c2", "g")]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_thoughts_nobody_asked_for_are_left_out() -> None:
    assert brief(told(piece(reasoning_content="hm"), piece(content="so")))[1:3] == [
        "0 text",
        "0 +so",
    ]


def test_calls_that_all_have_one_number_are_told_apart_by_their_ids() -> None:
    events = told(call(0, "{}", "c1", "f"), call(0, "[]", "c2", "f"), piece("stop"))
    assert brief(events)[1:-2] == [
        "0 tool_use", "0 +{}", "0 stop",
        "1 tool_use", "1 +[]", "1 stop",
    ]  # fmt: skip
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_stop_sequence_is_named_where_the_worker_says_it() -> None:
    last = piece("stop")
    last["choices"][0]["stop_reason"] = "END"
    delta = told(piece(content="x"), last, stops=("END",))[-2]["delta"]
    assert (delta["stop_reason"], delta["stop_sequence"]) == ("stop_sequence", "END")


def test_a_stream_that_says_nothing_is_a_whole_message() -> None:
    assert brief(told()) == ["message_start", "message_delta", "message_stop"]


@pytest.mark.parametrize(
    "odd",
    [
        call(1, "{}"),
        piece(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": {}}}, 5]),
        piece(content=["x"]),
        {"choices": [{"delta": 5}]},
        {"choices": 5},
    ],
)
def test_what_is_no_chunk_is_not_told(odd: Json) -> None:
    stream = MessageStream(Expected("m"))
    with pytest.raises((KeyError, TypeError, AttributeError)):
        stream.chunk(odd)
