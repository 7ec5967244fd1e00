from __future__ import annotations

import json

from server.gateway.sight.journal import KEPT
from server.gateway.sight.usage import Usage
from server.wire.sight import Explained
from tests.fakes.clock import ManualClock
from tests.gateway.sight.seen import CHAT, A, B, a_request, a_sight, candidates, serve


def test_it_tells_candidates_choice_retries_and_times() -> None:
    clock = ManualClock(at=1000.0)
    sight = a_sight(clock)
    record = a_request(sight, stream=True, lane="batch", key_id="key-7")
    clock.advance(0.25)
    record.admitted()
    record.chose(A, candidates(A, B))
    clock.advance(0.5)
    record.failed(A, "refused", "connection refused")
    record.chose(B, model="n")
    clock.advance(0.25)
    record.first_byte()
    clock.advance(1)
    record.ended("complete", 200, usage=Usage(5, 6, "estimated"))
    sight.end(record)
    told = sight.explain("req-1")
    assert told is not None
    assert told.model_dump(exclude={"attempts"}) == {
        "request_id": "req-1",
        "gateway": "gw",
        "path": CHAT,
        "method": "POST",
        "field": "",
        "notes": (),
        "model": "m",
        "served_model": "n",
        "key": "key-7",
        "lane": "batch",
        "stream": True,
        "began_at": 1_700_001_000.0,
        "state": "complete",
        "status": 200,
        "code": "",
        "admitted_s": 0.25,
        "first_byte_s": 1.0,
        "whole_s": 2.0,
        "tries": 2,
        "retry_refused": False,
        "usage": {"prompt_tokens": 5, "completion_tokens": 6, "origin": "estimated"},
        "trace_id": "",
        "same_id": 0,
    }
    first, second = told.attempts
    assert (first.at_s, first.failed_s, first.trouble) == (0.25, 0.75, "refused")
    assert (second.at_s, second.failed_s, second.of, second.candidates) == (0.75, None, 1, ())
    seen = [(c.address, c.mine, c.others, c.wait) for c in first.candidates]
    assert seen == [(A, 0, 1, 2.0), (B, 1, 1, 3.0)]


def test_the_chosen_candidate_comes_first() -> None:
    sight = a_sight()
    a_request(sight).chose(B, candidates(A, B))
    told = sight.explain("req-1")
    assert told and [c.address for c in told.attempts[0].candidates] == [B, A]


def test_a_request_that_runs_can_be_explained_too() -> None:
    sight = a_sight()
    a_request(sight)
    told = sight.explain("req-1")
    assert told and (told.state, told.whole_s, told.status) == ("running", None, 0)


def test_nobody_remembers_what_never_was() -> None:
    assert a_sight().explain("req-1") is None


def test_the_latest_of_one_id_is_told_with_how_many_there_were() -> None:
    clock = ManualClock()
    sight = a_sight(clock)
    for model in ("m", "n"):
        serve(sight, model=model)
        clock.advance(1)
    a_request(sight, model="running one")
    told = sight.explain("req-1")
    assert told and (told.model, told.same_id) == ("running one", 2)


def test_so_many_are_kept_and_no_more() -> None:
    sight = a_sight()
    for number in range(KEPT + 1):
        serve(sight, request_id=f"req-{number}")
    assert sight.explain("req-0") is None
    assert sight.explain("req-1") is not None
    assert sight.explain(f"req-{KEPT}") is not None


def test_what_is_told_can_be_read_again() -> None:
    sight = a_sight()
    serve(sight, usage=Usage(1, 2, "reported"))
    told = sight.explain("req-1")
    assert told is not None
    assert Explained.model_validate_json(told.model_dump_json()) == told


def test_a_later_gateway_may_tell_more() -> None:
    sight = a_sight()
    serve(sight)
    told = sight.explain("req-1")
    assert told is not None
    more = json.loads(told.model_dump_json()) | {"something": "new"}
    assert Explained.model_validate(more) == told
