from __future__ import annotations

import pytest

from server.core.errors import BadRequest
from server.wire.lanes import LANES, Lane, lane_of


@pytest.mark.parametrize("lane", LANES)
def test_a_lane_is_its_own_word(lane: Lane) -> None:
    assert lane_of(lane.encode()) == lane


def test_who_says_nothing_is_normal() -> None:
    assert lane_of(None) == "normal"


def test_case_and_space_around_it_do_not_matter() -> None:
    assert lane_of(b" Batch ") == "batch"


@pytest.mark.parametrize("word", [b"", b"urgent", b"interactive,batch", b"\xff", b"batch\x00"])
def test_another_word_is_refused_with_those_there_are(word: bytes) -> None:
    with pytest.raises(BadRequest, match="interactive, normal and batch") as caught:
        lane_of(word)
    assert caught.value.code == "invalid_priority"
