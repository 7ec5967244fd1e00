from __future__ import annotations

from typing import Any

from server.launcher.care.explained import in_words
from server.wire.sight import Explained

A, B = "http://127.0.0.1:1001", "http://127.0.0.1:1002"


def told(request_id: str = "req-1", **more: Any) -> Explained:
    fields = {
        "request_id": request_id, "gateway": "gw-1", "path": "/v1/chat/completions", "model": "m",
        "served_model": "m", "key": "", "lane": "normal", "stream": True,
        "began_at": 1_700_000_000.5, "state": "complete", "status": 200, "code": "",
        "admitted_s": 0.0001, "first_byte_s": 0.75, "whole_s": 2.75, "tries": 1,
        "attempts": [attempt(A, 0.0002)],
    }  # fmt: skip
    return Explained.model_validate(fields | more)


def attempt(address: str, at_s: float, **more: Any) -> dict[str, Any]:
    return {"at_s": at_s, "address": address, "model": "m", "of": 1} | more


def candidate(address: str, mine: int) -> dict[str, Any]:
    return {"address": address, "mine": mine, "others": 1, "slots": 4, "speed": 2, "wait": 0.5}


def test_a_retried_request_tells_its_story_in_order() -> None:
    first = attempt(
        A,
        0.0002,
        of=40,
        candidates=[candidate(A, 0), candidate(B, 12)],
        failed_s=0.5,
        trouble="refused",
        cause="connection refused",
    )
    usage = {"prompt_tokens": 12, "completion_tokens": 34, "origin": "reported"}
    words = in_words(told(attempts=[first, attempt(B, 0.5)], tries=2, usage=usage, key="key-7"))
    assert words == (
        "req-1: complete (200)\n"
        "  came      2023-11-14 22:13:20.500+00:00, POST /v1/chat/completions, at gw-1\n"
        "  asked     'm' streamed, in lane normal, with key key-7\n"
        "  tokens    12 read, 34 written, 17.0/s (reported)\n"
        "\n"
        "  +   0.0000 s  came\n"
        "  +   0.0001 s  let in by limits and budgets\n"
        "  +   0.0002 s  sent to http://127.0.0.1:1001 for 'm', of 40 with room\n"
        "                CANDIDATE              OURS  OTHERS  SLOTS  SPEED  WAIT\n"
        "                http://127.0.0.1:1001     0       1      4      2  0.50\n"
        "                http://127.0.0.1:1002    12       1      4      2  0.50\n"
        "                and 38 more\n"
        "  +   0.5000 s  failed there: refused: connection refused\n"
        "  +   0.5000 s  sent to http://127.0.0.1:1002 for 'm', the only one free (attempt 2)\n"
        "  +   0.7500 s  first byte sent on\n"
        "  +   2.7500 s  ended: complete"
    )


def test_a_request_that_runs_has_no_end() -> None:
    words = in_words(told(state="running", status=0, whole_s=None, first_byte_s=None))
    assert words.startswith("req-1: still running\n")
    assert "ended" not in words


def test_a_refused_one_was_sent_nowhere() -> None:
    never: dict[str, Any] = {"attempts": [], "tries": 0, "first_byte_s": None, "admitted_s": None}
    words = in_words(told(state="http_error", status=429, code="rate_limit_exceeded", **never))
    assert words.startswith("req-1: refused with an HTTP error (429 rate_limit_exceeded)\n")
    assert "sent to" not in words


def test_one_that_never_came_as_far_as_a_model_says_what_was_wrong() -> None:
    never: dict[str, Any] = {
        "attempts": [], "tries": 0, "first_byte_s": None, "admitted_s": None, "whole_s": None,
        "served_model": "", "lane": "", "stream": False,
    }  # fmt: skip
    refused: dict[str, Any] = {
        "state": "http_error", "status": 400, "code": "invalid_request_error",
    }  # fmt: skip
    words = in_words(told(model="", method="PUT", field="stream", **refused, **never))
    assert words == (
        "req-1: refused with an HTTP error (400 invalid_request_error)\n"
        "  came      2023-11-14 22:13:20.500+00:00, PUT /v1/chat/completions, at gw-1\n"
        "  refused   before it came as far as a model, without a key of its own\n"
        "  wrong     stream"
    )


def test_what_seldom_happens_stands_where_it_happened() -> None:
    notes = [
        {"at_s": 0.0, "words": "its client gives it 5 s"},
        {"at_s": 0.00015, "words": "'big' was passed over: it is gone"},
        {"at_s": 1.0, "words": "the stream goes on from there"},
    ]
    lines = in_words(told(notes=notes)).splitlines()[4:]
    assert [line.partition(" s  ")[2] for line in lines] == [
        "came",
        "its client gives it 5 s",
        "let in by limits and budgets",
        "'big' was passed over: it is gone",
        "sent to http://127.0.0.1:1001 for 'm', the only one free",
        "first byte sent on",
        "the stream goes on from there",
        "ended: complete",
    ]


def test_what_is_worth_knowing_is_said() -> None:
    words = in_words(
        told(served_model="n", trace_id="0af7", same_id=2, retry_refused=True, tries=20)
    )
    for said in (
        "served    'n'",
        "trace     0af7",
        "2 more had the same id",
        "no retry: the budget for them was spent",
        "19 more attempts were not kept",
    ):
        assert said in words


def test_a_whole_answer_has_no_speed() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "origin": "estimated"}
    assert "1 read, 2 written (estimated)" in in_words(told(stream=False, usage=usage))


def test_nobody_can_speak_to_the_terminal() -> None:
    odd = "模型\x1b[31m\n\u202e"
    failed = attempt(A, 0.1, failed_s=0.2, trouble="lost", cause=odd)
    words = in_words(told(model=odd, served_model=odd, code=odd, attempts=[failed]))
    assert "\x1b" not in words
    assert "\u202e" not in words
    assert "failed there: lost: 模型\\x1b[31m\\n\\u202e\n" in words
