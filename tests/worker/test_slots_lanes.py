"""What lanes mean for slots and line."""

from __future__ import annotations

import asyncio

import pytest

from server.core.limits import BATCH_BEHIND_S
from server.wire.fleet import Load
from server.wire.lanes import Lane
from server.worker.slots import Slots
from tests.fakes.clock import ManualClock
from tests.worker.guests import Guest, come, settle, states

BATCH: Lane = "batch"


async def test_batch_leaves_a_slot_for_interactive_requests() -> None:
    slots = Slots(4, 9)
    batch = await come(slots, *[BATCH] * 6)
    assert states(batch) == "rrrwww"
    assert states(await come(slots, "interactive", "interactive")) == "rw"
    assert slots.load() == Load(
        running=4, waiting=4, by_gateway={"gw": 8}, by_lane={"interactive": 1, "batch": 3}
    )


@pytest.mark.parametrize("lane", ["interactive", "normal"])
async def test_nothing_is_kept_from_other_lanes(lane: Lane) -> None:
    assert states(await come(Slots(4, 9), *[lane] * 5)) == "rrrrw"


async def test_a_single_slot_is_for_everybody() -> None:
    assert states(await come(Slots(1, 1), "batch", "batch")) == "rw"


async def test_the_kept_slot_stays_free_when_its_user_has_gone() -> None:
    slots = Slots(2, 9)
    first, second, urgent = await come(slots, "batch", "batch", "interactive")
    assert states([first, second, urgent]) == "rwr"
    await urgent.finish()
    assert states([first, second]) == "rw"
    await first.finish()
    assert states([first, second]) == "dr"


async def test_a_slot_goes_to_the_most_urgent() -> None:
    slots = Slots(1, 9)
    (holder,) = await come(slots, "normal")
    batch, normal, urgent = await come(slots, "batch", "normal", "interactive")
    await holder.finish()
    assert states([batch, normal, urgent]) == "wwr"
    await urgent.finish()
    assert states([batch, normal]) == "wr"


async def test_batch_is_not_passed_for_ever() -> None:
    clock = ManualClock()
    slots = Slots(1, 99, clock)
    (holder,) = await come(slots, "interactive")
    (batch,) = await come(slots, "batch")
    passed = 0
    while batch.state == "waits":
        (newer,) = await come(slots, "interactive")
        clock.advance(1.0)
        await holder.finish()
        holder, passed = newer, passed + 1
        assert passed <= BATCH_BEHIND_S + 2
    assert passed >= BATCH_BEHIND_S


async def test_waiting_batch_refuses_no_interactive_request() -> None:
    slots = Slots(1, 4)
    await come(slots, "normal")
    batch = await come(slots, *[BATCH] * 4)
    assert states(batch) == "wwwf"  # one place is kept from it
    urgent = await come(slots, "interactive", "interactive")
    assert states(urgent + batch) == "wwwwff"  # the newest had to go
    urgent += await come(slots, "interactive", "interactive")
    assert states(urgent + batch) == "wwwwffff"
    assert states(await come(slots, "interactive", "normal", "batch")) == "fff"


async def test_the_newest_batch_request_has_to_go_and_is_told_when_to_come_back() -> None:
    clock = ManualClock()
    slots = Slots(2, 4, clock)
    done, _ = await come(slots, "normal", "normal")
    clock.advance(8)
    await done.finish()
    await come(slots, "normal")
    older, newer, _, _ = await come(slots, "batch", "batch", "normal", "normal")
    await come(slots, "normal")
    assert states([older, newer]) == "wf"
    assert newer.refusal is not None
    assert newer.refusal.retry_after_s == 32  # 3 of 8 s are before it, and the one slot it may have
    assert slots.load().by_gateway == {"gw": 6}
    assert slots.load().cancelled == 0


async def test_normal_does_not_have_to_go_for_interactive() -> None:
    slots = Slots(1, 1)
    _, normal, urgent = await come(slots, "normal", "normal", "interactive")
    assert states([normal, urgent]) == "wf"


async def test_who_refuses_says_when_to_come_back() -> None:
    clock = ManualClock()
    slots = Slots(1, 2, clock)
    guests = await come(slots, "normal", "normal", "normal")
    clock.advance(6)
    await guests[0].finish()
    await come(slots, "normal")
    normal, urgent = await come(slots, "normal", "interactive")
    assert normal.refusal is not None
    assert normal.refusal.retry_after_s == 18
    assert "retry in 18 s" in normal.refusal.message
    assert urgent.refusal is not None
    assert urgent.refusal.retry_after_s == 6  # nobody as urgent waits


@pytest.mark.parametrize("ticks", range(-4, 5))
async def test_leaving_at_any_moment_of_the_hand_on_loses_no_slot(ticks: int) -> None:
    """`ticks`: rounds of the loop from the end of the one before to the leaving."""
    slots = Slots(1, 9)
    holder, leaver, stayer = await come(slots, "normal", "interactive", "batch")
    first, second = (holder.end, leaver.cancel) if ticks >= 0 else (leaver.cancel, holder.end)
    first()
    for _ in range(abs(ticks)):
        await asyncio.sleep(0)
    second()
    await settle()
    assert (leaver.state, stayer.state) == ("left", "runs")
    assert slots.load() == Load(running=1, by_gateway={"gw": 1}, cancelled=1)


@pytest.mark.parametrize("ticks", range(3))
async def test_leaving_as_one_has_to_go_counts_once(ticks: int) -> None:
    slots = Slots(1, 1)
    _, batch = await come(slots, "normal", "batch")
    urgent = Guest(slots, "interactive")
    for _ in range(ticks):
        await asyncio.sleep(0)
    await batch.leave()
    assert batch.state in ("left", "refused")
    assert urgent.state == "waits"
    left = int(batch.state == "left")
    assert slots.load() == Load(
        running=1, waiting=1, by_gateway={"gw": 2}, by_lane={"interactive": 1}, cancelled=left
    )
