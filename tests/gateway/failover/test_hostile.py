"""Workers that send anything at all: the answer is refused, and nothing else happens."""

from __future__ import annotations

from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.sse import data_event
from server.gateway.failover.diverged import Diverged
from server.gateway.failover.splice import Splice
from server.gateway.failover.told import Told
from tests.gateway.failover.answers import delivered, splice

TOLD = data_event({"id": "x", "choices": [{"index": 0, "delta": {"content": "a", "tool": [1]}}]})
REST = '{"id":"y","choices":[{"index":0,"delta":{"content":"ab","tool":[1]}%s}]%s}'


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    "data",
    [
        "",
        "nonsense",
        "\ufeff{}",
        "null",
        "[]",
        '"[DONE]"',
        "{}",
        '{"choices":null}',
        '{"choices":{}}',
        '{"choices":[null]}',
        '{"choices":[[]]}',
        '{"choices":[{"index":null}]}',
        '{"choices":[{"index":-1}]}',
        '{"choices":[{"index":true}]}',
        '{"choices":[{"index":0.0}]}',
        '{"choices":[{"index":1e30}]}',
        '{"choices":[{"index":1024}]}',
        '{"choices":[{"index":"0"}]}',
        '{"choices":[{"index":0,"delta":"a"}]}',
        '{"choices":[{"index":0,"delta":[]}]}',
        '{"choices":[{"index":0,"text":{}}]}',
        '{"choices":[{"index":0,"logprobs":"a"}]}',
        '{"choices":[{"index":0,"token_ids":7}]}',
        '{"choices":[{"index":0,"finish_reason":7}]}',
        '{"choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}',
        '{"choices":[{"index":0,"delta":{"content":1e999}}]}',
        REST % (',"more":' + deep(300), ""),
        REST % ("", ',"more":' + deep(300)),
        REST % ("", ',"more":' + deep(1100)),
        '{"error":' + deep(300) + "}",
        '{"choices":[{"index":0,"delta":{"tool":[1,' + deep(300) + "]}}]}",
        '{"choices":[{"index":0,"delta":{"more":' + '{"a":' * 1000 + "1" + "}" * 1000 + "}}]}",
        REST % ("," + '"delta":{"content":"' + "b" * 1_000_000 + '"}', ""),
    ],
    ids=lambda data: data[:60],
)
def test_what_is_no_chunk_of_this_answer_is_refused(data: str) -> None:
    with pytest.raises(Diverged):
        splice(TOLD).feed(b"data: " + data.encode() + b"\n\n")


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Diverged):
        splice(TOLD).feed(b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n')


def test_a_huge_rest_is_only_a_rest() -> None:
    whole = "a" + "b" * 3_000_000
    event = data_event({"choices": [{"index": 0, "delta": {"content": whole, "tool": [1]}}]})
    assert len(splice(TOLD).feed(event)) > 3_000_000


words = st.sampled_from(
    ["index", "choices", "delta", "content", "role", "tool_calls", "id", "type", "function",
     "arguments", "text", "logprobs", "tokens", "token", "usage", "error", "finish_reason",
     "token_ids", "object"]
)  # fmt: skip
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab", max_size=2)
)
things = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
deltas = st.dictionaries(words, things, max_size=4)
choices = st.fixed_dictionaries(
    {"index": st.integers(0, 1)},
    optional={
        "delta": deltas,
        "text": st.text("ab", max_size=3),
        "logprobs": deltas,
        "token_ids": st.lists(things, max_size=3),
        "finish_reason": st.none() | st.text("ab", max_size=2),
    },
)
chunks = st.fixed_dictionaries(
    {"choices": st.lists(choices, max_size=3)}, optional={"usage": things, "id": things}
)
events = (chunks | things).map(data_event) | st.just(b"data: [DONE]\n\n") | st.binary(max_size=20)


@given(st.lists(events, max_size=6), st.lists(events, max_size=6))
def test_any_two_streams_are_joined_or_refused(told: list[bytes], again: list[bytes]) -> None:
    with suppress(Diverged):
        splice = Splice(delivered(*told).told())
        for event in again:
            passed = splice.feed(event)
            assert passed == b"" or passed.endswith(b"\n\n")


@given(st.lists(chunks.map(data_event), max_size=6))
def test_a_stream_has_nothing_to_add_to_itself(stream: list[bytes]) -> None:
    told = Told()
    with suppress(Diverged):
        told.read(b"".join(stream))
        splice = Splice(told)
        for event in stream:
            for line in splice.feed(event).splitlines():
                assert not line or orjson.loads(line.removeprefix(b"data: "))["choices"] == []
