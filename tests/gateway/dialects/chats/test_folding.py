"""Chunks become the answer that would have come whole."""

from __future__ import annotations

from typing import Any

import pytest

from server.gateway.dialects.chats.folding import MAX_DEPTH, Folding


def chunk(index: int = 0, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {"object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def folded(*chunks: dict[str, Any]) -> dict[str, Any]:
    folding = Folding()
    for one in chunks:
        folding.tell(one)
    return folding.whole()


def test_texts_grow_and_labels_are_said_once() -> None:
    said = folded(
        chunk(role="assistant", content=""),
        chunk(role="assistant", content="Hel"),
        chunk(content="lo"),
        chunk(finish="stop"),
        {"choices": [], "usage": {"total_tokens": 9}, "system_fingerprint": None, "created": 7},
        {"choices": [], "usage": None, "shortline": {"resumed": True}},
    )
    assert said == {
        "object": "chat.completion",
        "model": "m",
        "created": 7,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello"},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {"total_tokens": 9},
    }


def test_calls_without_a_number_stand_beside_those_that_have_one() -> None:
    said = folded(
        chunk(tool_calls=[{"id": "c0", "function": {"name": "f", "arguments": "{}"}}]),
        chunk(tool_calls=[{"index": 1, "id": "c1", "function": {"name": "g", "arguments": "{}"}}]),
    )
    [choice] = said["choices"]
    assert [call["id"] for call in choice["message"]["tool_calls"]] == ["c0", "c1"]


def test_calls_grow_by_their_numbers() -> None:
    def call(at: int, arguments: str, **more: Any) -> dict[str, Any]:
        function = {"arguments": arguments} | more
        return {"index": at, "type": "function", "function": function}

    said = folded(
        chunk(tool_calls=[call(0, '{"a"', name="f") | {"id": "c0"}]),
        chunk(tool_calls=[call(1, "{}", name="g") | {"id": "c1"}, call(0, ": 1}")]),
        chunk(finish="tool_calls"),
    )
    [choice] = said["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"] == [
        {"id": "c0", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
        {"id": "c1", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


def test_choices_are_told_apart_and_odds_stand_one_behind_another() -> None:
    odds = [{"token": token, "logprob": -1.0} for token in "ab"]
    chunks = [chunk(1, content="b"), chunk(0, content="a"), chunk(0, content="c")]
    for one, token in zip(chunks[1:], odds, strict=True):
        one["choices"][0]["logprobs"] = {"content": [token], "refusal": None}
    zero, one = folded(*chunks)["choices"]
    assert (zero["message"]["content"], one["message"]["content"]) == ("ac", "b")
    assert zero["logprobs"] == {"content": odds, "refusal": None}


def test_what_is_nested_without_end_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(MAX_DEPTH + 1):
        deep = {"x": deep}
    with pytest.raises(ValueError, match="too deep"):
        folded(chunk(**deep))
