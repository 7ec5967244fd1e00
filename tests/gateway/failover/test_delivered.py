from __future__ import annotations

import pytest

from server.core.sse import DONE, data_event
from server.gateway.failover import delivered
from server.gateway.failover.delivered import Delivered, Shelf
from server.gateway.failover.diverged import Diverged

EVENT = data_event({"choices": [{"delta": {"content": "x"}}]})


def test_an_answer_that_is_too_long_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivered, "KEPT_PER_ANSWER", 10 * len(EVENT))
    shelf = Shelf()
    kept = Delivered(shelf)
    free = shelf.free
    kept.add(EVENT)
    assert kept.is_whole
    for _ in range(10):
        kept.add(EVENT)
    assert not kept.is_whole
    assert shelf.free == free
    with pytest.raises(Diverged):
        kept.told()


def test_the_answers_of_a_gateway_share_its_room() -> None:
    shelf = Shelf(max_bytes=500)
    first, second = Delivered(shelf), Delivered(shelf)
    first.add(b"x" * 200)
    second.add(b"x" * 300)
    assert (first.is_whole, second.is_whole) == (True, False)
    first.add(b"x" * 200)
    assert first.is_whole


def test_room_is_given_back_once() -> None:
    shelf = Shelf(max_bytes=1000)
    kept = Delivered(shelf)
    kept.add(EVENT)
    assert shelf.free < 1000
    kept.drop()
    kept.drop()
    kept.add(EVENT)
    assert shelf.free == 1000
    assert not kept.is_whole


FINISH = data_event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
USAGE = data_event({"choices": [], "usage": {"completion_tokens": 1}})
ERROR = b'event: error\ndata: {"error":{"message":"m"}}\n\n'


@pytest.mark.parametrize(
    ("events", "ended"),
    [
        ([], False),
        ([b": ping\n\n"], False),
        ([EVENT], False),
        ([EVENT, FINISH], False),
        ([EVENT, FINISH, USAGE], True),
        ([EVENT, USAGE], False),
        ([USAGE], False),
        ([EVENT, FINISH, DONE], True),
        ([EVENT + DONE], True),
        ([EVENT, ERROR], True),
    ],
)
def test_an_answer_has_ended_when_nothing_is_left_to_be_told(
    events: list[bytes], ended: bool
) -> None:
    kept = Delivered(Shelf())
    for event in events:
        kept.add(event)
    assert kept.told().ended is ended


def test_text_that_speaks_of_the_end_mark_is_no_end_mark() -> None:
    kept = Delivered(Shelf())
    kept.add(data_event({"choices": [{"delta": {"content": "\n\ndata: [DONE]\n\n"}}]}))
    assert not kept.told().ended
