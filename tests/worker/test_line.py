from __future__ import annotations

import asyncio

import pytest

from server.core.limits import BATCH_BEHIND_S, NORMAL_BEHIND_S
from server.wire.lanes import Lane
from server.worker.line import Line, Place, for_batch
from server.worker.shares import Shares


def line_of(places: int) -> Line:
    """Its customers have one request here, as far as it knows."""
    shares = Shares()
    for customer in ("", "other"):
        shares.enter(customer)
    return Line(places, shares)


def stand(line: Line, lane: Lane, now: float = 0.0, customer: str = "") -> Place:
    return line.append(lane, asyncio.get_running_loop().create_future(), now, customer)


def order(line: Line) -> list[Place]:
    found = []
    while (place := line.pop(batch=True)) is not None:
        found.append(place)
    return found


@pytest.mark.parametrize(
    ("places", "batch"), [(0, 0), (1, 1), (2, 1), (3, 2), (4, 3), (7, 6), (8, 6), (32, 24)]
)
def test_a_quarter_is_kept_from_batch_and_one_at_least_of_several(places: int, batch: int) -> None:
    assert for_batch(places) == batch


async def test_the_more_urgent_come_first_and_in_a_lane_the_older() -> None:
    line = line_of(9)
    lanes: tuple[Lane, ...] = ("batch", "normal", "interactive")
    first = [stand(line, lane, 0.0) for lane in lanes]
    second = [stand(line, lane, 1.0) for lane in lanes]
    assert order(line) == [first[2], second[2], first[1], second[1], first[0], second[0]]


@pytest.mark.parametrize(
    ("lane", "behind_s"), [("normal", NORMAL_BEHIND_S), ("batch", BATCH_BEHIND_S)]
)
async def test_who_has_waited_long_enough_is_before_newer_interactive_ones(
    lane: Lane, behind_s: float
) -> None:
    line = line_of(9)
    old = stand(line, lane, 100.0)
    before = stand(line, "interactive", 100.0 + behind_s - 0.1)
    after = stand(line, "interactive", 100.0 + behind_s + 0.1)
    assert order(line) == [before, old, after]


async def test_batch_that_may_not_run_is_passed_over_and_keeps_its_place() -> None:
    line = line_of(9)
    batch, normal = stand(line, "batch", 0.0), stand(line, "normal", 1000.0)
    assert line.pop(batch=False) is normal
    assert line.pop(batch=False) is None
    assert line.pop(batch=True) is batch


async def test_batch_never_fills_the_line() -> None:
    line = line_of(4)
    for _ in range(3):
        assert line.has_room("batch")
        stand(line, "batch")
    assert not line.has_room("batch")
    assert line.has_room("normal")
    stand(line, "normal")
    assert not line.has_room("interactive")


async def test_who_has_left_is_passed_over() -> None:
    line = line_of(4)
    gone, stays = stand(line, "normal"), stand(line, "normal")
    gone.turn.cancel()
    assert line.pop(batch=True) is stays
    assert len(line) == 0


async def test_a_place_is_left_once() -> None:
    line = line_of(4)
    place = stand(line, "batch")
    assert line.remove(place)
    assert not line.remove(place)


async def test_the_newest_batch_request_has_to_go() -> None:
    line = line_of(4)
    assert line.pop_for("normal", "") is None
    stand(line, "normal", 9.0)
    older, newer = stand(line, "batch", 0.0), stand(line, "batch", 1.0)
    assert line.pop_for("normal", "") is newer
    assert line.counts() == {"normal": 1, "batch": 1}
    assert order(line)[-1] is older


async def test_those_ahead_are_the_ones_as_urgent_or_more() -> None:
    line = line_of(9)
    for lane in ("interactive", "normal", "normal", "batch"):
        stand(line, lane)
    assert [line.ahead(lane) for lane in ("interactive", "normal", "batch")] == [1, 3, 4]


async def test_of_others_in_the_lane_as_many_are_ahead_as_of_ones_own_and_one_more() -> None:
    line = line_of(9)
    stand(line, "interactive", customer="other")
    for _ in range(4):
        stand(line, "normal", customer="other")
    assert line.ahead("normal", "") == 2
    stand(line, "normal")
    stand(line, "normal")
    assert line.ahead("normal", "") == 6
    assert line.ahead("normal", "other") == 7
    assert line.ahead("interactive", "") == 1
