"""How servers differ, one difference at a time; the laws are in `test_laws`."""

from __future__ import annotations

import pytest

from server.core.sse import DONE, data_event
from server.gateway.failover.diverged import Diverged
from server.gateway.failover.splice import Splice
from tests.gateway.failover.answers import delivered, splice
from tests.gateway.failover.chunks import COUNTS, NEW, ROLE, STOP, USAGE, chunk, frame, read, text


def test_only_the_rest_of_a_chunk_passes_and_it_says_who_speaks() -> None:
    assert splice(ROLE, text("Hel")).feed(text("Hello", **NEW)) == data_event(
        {
            "id": "old",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": None}],
            "shortline": {"resumed": True, "worker": 2},
        }
    )


def test_the_worker_is_named_by_its_number() -> None:
    told = delivered(text("a")).told()
    [first, second] = read(Splice(told, worker=3).feed(text("ab") + text("c")))
    assert first["shortline"] == {"resumed": True, "worker": 3}
    assert "shortline" not in second


def test_the_cut_may_fall_inside_what_the_eye_sees_as_one_character() -> None:
    family = "👩\u200d👩\u200d👧e\u0301"
    for at in range(1, len(family)):
        [got] = read(splice(text(family[:at])).feed(text(family)))
        assert got["choices"][0]["delta"] == {"content": family[at:]}


def test_the_same_text_in_another_normal_form_is_another_text() -> None:
    with pytest.raises(Diverged):
        splice(text("\u00e9")).feed(text("e\u0301"))


def test_escapes_and_line_ends_are_the_workers_own_business() -> None:
    other = b'data: {"choices":[{"delta":{"content":"\\u2028\\ud83d\\ude00!"}}]}\r\n\r\n'
    [got] = read(splice(text("\u2028")).feed(other))
    assert got["choices"][0]["delta"] == {"content": "😀!"}


def test_nothing_is_said_twice() -> None:
    again = splice(ROLE, text("Hi"), STOP)
    assert again.feed(ROLE + text("H") + text("i") + STOP) == b""
    assert again.feed(DONE) == DONE


def test_what_comes_after_the_end_is_left_out() -> None:
    again = splice(text("Hi"))
    assert again.feed(text("Hi") + DONE + text("more") + DONE) == DONE
    assert again.feed(text("more") + b"data: nonsense\n\n") == b""


def test_an_answer_that_had_ended_has_no_rest() -> None:
    assert splice(text("Hi"), STOP, DONE).feed(text("Hello") + DONE) == b""


def test_where_only_the_end_mark_was_missing_only_that_passes() -> None:
    again = splice(text("Hi"), STOP, USAGE)
    assert again.feed(text("Hi") + STOP + USAGE + DONE) == DONE


def test_where_nothing_was_delivered_everything_passes_in_its_own_frame() -> None:
    again = splice(b": ping\n\n")
    first, second, last = read(again.feed(ROLE + text("Hi", **NEW) + STOP + DONE))
    assert first.pop("shortline") == {"resumed": True, "worker": 2}
    assert [data_event(first), data_event(second)] == [ROLE, text("Hi", **NEW)]
    assert data_event(last) == STOP


def test_comments_are_left_out() -> None:
    assert splice(text("a")).feed(b": ping\n\n") == b""
    assert splice(text("a"), b": ping\n\n").feed(b": ping\n\n" + text("a")) == b""


def test_a_role_in_every_chunk_is_said_once() -> None:
    def spoken(content: str) -> bytes:
        return chunk({"role": "assistant", "content": content})

    got = read(splice(spoken("a")).feed(spoken("ab") + spoken("c")))
    assert [c["choices"][0]["delta"] for c in got] == [{"content": "b"}, {"content": "c"}]


def test_a_choice_that_is_not_numbered_is_the_first() -> None:
    told = b'data: {"choices":[{"delta":{"content":"ab"}}]}\n\n'
    assert splice(told).feed(told + text("")) == b""
    [got] = read(splice(text("a")).feed(told))
    assert got["choices"] == [{"index": 0, "delta": {"content": "b"}}]
    with pytest.raises(Diverged):
        splice(told).feed(text("b"))


def test_the_frame_is_that_of_the_chunks_before() -> None:
    told = data_event({"id": "x", "choices": [{"index": 0, "delta": {"content": "a"}}]})
    [got] = read(splice(told).feed(text("ab", system_fingerprint="f", service_tier="t")))
    assert (got["id"], got["service_tier"]) == ("x", "t")
    assert not {"created", "model", "system_fingerprint", "object"} & got.keys()


def test_a_first_chunk_that_names_nobody_gives_no_frame() -> None:
    filters = data_event({"id": "", "created": 0, "choices": [], "prompt_filter_results": []})
    again = splice(filters, text("a"))
    [got] = read(again.feed(filters + text("ab", **NEW)))
    assert (got["id"], got["created"]) == ("old", 1)


def test_a_later_chunk_without_a_choice_changes_no_frame() -> None:
    told = text("a"), data_event({"id": "", "choices": []})
    [got] = read(splice(*told).feed(text("ab", **NEW)))
    assert got["id"] == "old"


def test_once_it_has_gone_on_everything_passes() -> None:
    filters = {"index": 0, "delta": {}, "content_filter_results": {"hate": {"filtered": False}}}
    again = splice(text("a"))
    assert again.feed(frame(filters) + frame(x=1) + text("a")) == b""
    first, second, third = read(again.feed(text("b") + frame(filters) + frame(x=1)))
    assert first["choices"][0]["delta"] == {"content": "b"}
    assert second["choices"] == [filters]
    assert (third["choices"], third["x"]) == ([], 1)


def test_usage_is_told_once_and_last() -> None:
    again = splice(ROLE, text("a"), STOP)
    early = frame(usage={"prompt_tokens": 1})
    assert again.feed(early + text("a")) == b""
    [got] = read(again.feed(STOP + USAGE))
    assert (got["choices"], got["usage"]) == ([], COUNTS)
    assert again.feed(USAGE) == b""


def test_usage_that_came_with_the_finish_reason_was_told_with_it() -> None:
    last = chunk(finish="stop", usage=COUNTS)
    again = splice(text("a"), last)
    assert not delivered(text("a"), last).told().ended
    assert again.feed(text("a") + last + DONE) == DONE


def test_usage_in_every_chunk_ends_nothing() -> None:
    def counted(content: str, n: int) -> bytes:
        return text(content, usage={"completion_tokens": n})

    told = delivered(counted("a", 1), counted("b", 2)).told()
    assert not told.ended
    got = read(Splice(told).feed(counted("a", 1) + counted("b", 2) + counted("c", 3)))
    assert [c["usage"] for c in got] == [{"completion_tokens": 3}]


def test_an_error_passes_as_one_and_is_an_end() -> None:
    again = splice(text("abc"))
    error = data_event({"error": {"message": "out of memory"}})
    assert again.feed(text("a") + error + text("bc") + DONE) == b"event: error\n" + error
    assert again.ended


def test_a_chunk_may_say_that_there_is_no_error() -> None:
    assert read(splice(text("a")).feed(text("ab", error=None)))
