from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.sse import DONE, comment, data_event
from server.gateway.sight.usage import (
    MAX_PROMPT_ESTIMATE,
    MAX_TOKENS,
    Usage,
    count_events,
    usage_of_stream,
    usage_of_whole,
)

SAID = {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46}
REPORTED = Usage(12, 34, "reported")


def answer(text: str = "hello", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], **more}


def whole(value: Any) -> Usage:
    return usage_of_whole(json.dumps(value).encode(), asked_bytes=400)


def chunk(text: str | None = None, **more: Any) -> bytes:
    delta = {} if text is None else {"content": text}
    choices = [{"index": 0, "delta": delta, "finish_reason": None}]
    return data_event({"id": "x", "model": "m", "choices": choices, **more})


def stream(pieces: Sequence[bytes], kept: int = 8) -> Usage:
    """Of a stream of which the relay keeps the last pieces."""
    return usage_of_stream(pieces[-kept:], sum(map(count_events, pieces)), asked_bytes=400)


def test_a_whole_answer_says_it_itself() -> None:
    assert whole(answer(usage=SAID)) == REPORTED


def test_it_may_stand_anywhere_at_the_top() -> None:
    assert whole({"usage": SAID, **answer()}) == REPORTED
    assert whole(answer(usage=SAID, system_fingerprint=None, x={"y": [{}]})) == REPORTED


def test_white_space_around_it_means_nothing() -> None:
    body = b'{ "choices": [],\n\t"usage" : \n{"prompt_tokens": 12, "completion_tokens": 34 } \r\n} '
    assert usage_of_whole(body, 400) == REPORTED


@pytest.mark.parametrize(
    "text",
    [
        'say "usage": {"prompt_tokens": 999, "completion_tokens": 999}}',
        '"usage": {"prompt_tokens": 999, "completion_tokens": 999}',
        '"usage',
        "usage",
        '\\"usage\\": {}',
    ],
)
def test_a_text_that_speaks_of_usage_fools_nobody(text: str) -> None:
    assert whole(answer(text, usage=SAID)) == REPORTED
    assert whole({"usage": SAID, **answer(text)}) == REPORTED
    assert whole(answer(text)).origin == "estimated"


def test_a_key_that_ends_with_the_word_is_another_key() -> None:
    body = b'{"choices": [], "a\\"usage":{"prompt_tokens":9,"completion_tokens":9}}'
    assert usage_of_whole(body, 400) == Usage(100, 0, "estimated")


def test_the_usage_of_something_inside_is_not_that_of_the_answer() -> None:
    inner = {"usage": {"prompt_tokens": 999, "completion_tokens": 999}}
    assert whole(answer(usage=SAID, x_provider=inner)) == REPORTED
    assert whole(answer(x_provider=inner)).origin == "estimated"
    assert whole(answer(x_list=[inner])).origin == "estimated"


def test_however_many_others_stand_behind_it_that_of_the_answer_is_found() -> None:
    others = [{"usage": {"prompt_tokens": 999, "completion_tokens": 999}}] * 100
    assert whole({"usage": SAID, **answer(x_list=others)}) == REPORTED


def test_embeddings_write_nothing() -> None:
    body = {"data": [{"embedding": [0.5] * 100}], "usage": {"prompt_tokens": 8, "total_tokens": 8}}
    assert whole(body) == Usage(8, 0, "reported")


def test_a_reranking_may_tell_its_total_alone() -> None:
    assert whole({"results": [], "usage": {"total_tokens": 8}}) == Usage(8, 0, "reported")
    assert whole({"usage": {"total_tokens": 8}, "results": []}) == Usage(8, 0, "reported")
    assert whole(answer(usage={"total_tokens": 8})).origin == "corrected"


@pytest.mark.parametrize(
    "nonsense", [-1, 10**18, 1e18, 1.5, "34", True, None, [], {}, 2**70, MAX_TOKENS + 1]
)
def test_nonsense_is_replaced_and_flagged(nonsense: object) -> None:
    text = "x" * 40
    said = {"prompt_tokens": 12, "completion_tokens": nonsense}
    assert whole(answer(text, usage=said)) == Usage(12, 10, "corrected")
    said = {"prompt_tokens": nonsense, "completion_tokens": 34}
    assert whole(answer(text, usage=said)) == Usage(100, 34, "corrected")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "01", "", "{", "1e999"])
def test_what_is_no_json_says_nothing(value: str) -> None:
    body = f'{{"usage":{{"prompt_tokens":{value},"completion_tokens":3}}}}'.encode()
    assert usage_of_whole(body, 400) == Usage(100, 0, "estimated")


def test_the_caller_may_know_a_lower_limit() -> None:
    body = orjson.dumps(answer("x" * 40, usage={"prompt_tokens": 12, "completion_tokens": 5000}))
    assert usage_of_whole(body, 400, most=4096) == Usage(12, 10, "corrected")


def test_without_a_word_the_text_is_measured() -> None:
    called = {"function": {"name": "f", "arguments": "y" * 41}}
    message = {"content": None, "reasoning_content": "x" * 39, "tool_calls": [called]}
    assert whole({"choices": [{"message": message}]}) == Usage(100, 20, "estimated")
    assert whole({"choices": [{"text": "你好"}]}) == Usage(100, 2, "estimated")


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b'"usage"', b'{"choices":[1,{}]}'])
def test_odd_bodies_take_nothing(body: bytes) -> None:
    assert usage_of_whole(body, 0) == Usage(0, 0, "estimated")


def test_a_body_full_of_images_is_no_long_prompt() -> None:
    assert usage_of_whole(b"{}", 20_000_000).prompt_tokens == MAX_PROMPT_ESTIMATE


def test_a_deep_bomb_behind_it_says_nothing() -> None:
    bomb = b'{"usage":{"prompt_tokens":1,"completion_tokens":1},"x":' + b"[" * 100_000
    assert usage_of_whole(bomb, 400).origin == "estimated"


def test_a_stream_says_it_in_its_last_chunk() -> None:
    last = data_event({"id": "x", "choices": [], "usage": SAID})
    pieces = [chunk(str(n), usage=None) for n in range(20)]
    assert stream([*pieces, last, DONE]) == REPORTED
    assert stream([*pieces, last + DONE]) == REPORTED
    assert stream([b"".join([*pieces, last, DONE])]) == REPORTED


def test_one_of_our_own_workers_says_it_in_a_comment() -> None:
    pieces = [chunk(str(n)) for n in range(20)]
    assert stream([*pieces, comment({"usage": SAID}) + DONE]) == REPORTED
    assert stream([*pieces, comment({"usage": SAID}), DONE]) == REPORTED


def test_a_stream_may_say_it_with_its_finish_reason() -> None:
    last = chunk(usage=SAID).replace(b'"finish_reason":null', b'"finish_reason":"stop"')
    assert stream([chunk("a"), last, DONE]) == REPORTED


def test_other_line_ends_are_line_ends_too() -> None:
    last = data_event({"id": "x", "choices": [], "usage": SAID}).replace(b"\n", b"\r\n")
    assert stream([chunk("a"), last + b"data: [DONE]\r\n\r\n"]) == REPORTED


def test_a_stream_that_was_cut_goes_by_what_it_said_last() -> None:
    so_far = {"prompt_tokens": 12, "completion_tokens": 3}
    assert stream([chunk("a"), chunk("b", usage=so_far)]) == Usage(12, 3, "reported")


def test_a_stream_that_says_nothing_is_counted() -> None:
    begin = data_event({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
    end = data_event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    words = [chunk(f"w{n}") for n in range(5)]
    assert stream([begin, *words, end, DONE]) == Usage(100, 5, "estimated")
    assert stream([begin + b"".join(words) + end + DONE]) == Usage(100, 5, "estimated")


def test_a_long_one_is_counted_to_within_its_beginning() -> None:
    words = [chunk(f"w{n}") for n in range(500)]
    assert stream([*words, chunk(), DONE]).completion_tokens == 500


def test_a_stream_whose_text_speaks_of_usage_fools_nobody() -> None:
    text = '"usage": {"prompt_tokens": 999, "completion_tokens": 999}}\n\ndata: '
    assert stream([chunk(text), chunk(text), DONE]).origin == "estimated"


def test_a_stream_that_wrote_a_lot_did_not_take_zero_tokens() -> None:
    said = data_event({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 0}})
    words = [chunk(f"w{n}") for n in range(5)]
    assert stream([*words, said, DONE]) == Usage(12, 5, "corrected")
    assert stream([chunk("w"), said, DONE]) == Usage(12, 0, "reported")
    assert stream([*[chunk("")] * 6, said, DONE]) == Usage(12, 0, "reported")


def test_a_stream_of_nothing_took_nothing() -> None:
    assert stream([]) == Usage(100, 0, "estimated")
    assert stream([b": ping\n\n"] * 50) == Usage(100, 0, "estimated")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(['"usage":{', "usage", '\\"']),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["usage", "a", 'b"usage', '"usage"']), inner, max_size=3)
    ),
    max_leaves=12,
)
NUMBERS = st.fixed_dictionaries(
    {"prompt_tokens": st.integers(0, 99), "completion_tokens": st.integers(0, 99)}
)


@given(before=st.dictionaries(st.sampled_from(["a", "usage_", '"usage"']), JSON), said=NUMBERS)
def test_whatever_else_an_answer_holds_its_usage_is_found(
    before: dict[str, Any], said: dict[str, int]
) -> None:
    expected = Usage(said["prompt_tokens"], said["completion_tokens"], "reported")
    items = list(before.items())
    for at in range(len(items) + 1):
        doc = dict([*items[:at], ("usage", said), *items[at:]])
        assert whole(doc) == expected


@given(doc=st.dictionaries(st.sampled_from(["a", "usage_", '"usage"']), JSON))
def test_an_answer_without_one_has_none(doc: dict[str, Any]) -> None:
    assert whole(doc).origin == "estimated"


@given(st.binary(max_size=200), st.lists(st.binary(max_size=80), max_size=5))
def test_no_bytes_at_all_break_it(body: bytes, pieces: list[bytes]) -> None:
    for usage in (usage_of_whole(body, len(body)), stream(pieces)):
        assert 0 <= usage.prompt_tokens <= MAX_TOKENS
        assert 0 <= usage.completion_tokens <= MAX_TOKENS
