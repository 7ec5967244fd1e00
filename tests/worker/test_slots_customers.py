"""What it means for slots and line whose a request is."""

from __future__ import annotations

import pytest

from server.wire.fleet import Load
from server.wire.lanes import Lane
from server.worker.slots import Slots
from tests.fakes.clock import ManualClock
from tests.worker.guests import Guest, come, states

NORMAL: Lane = "normal"


async def normal(slots: Slots, customer: str, count: int = 1) -> list[Guest]:
    return await come(slots, *[NORMAL] * count, customer=customer)


async def finish_one(guests: list[Guest]) -> None:
    await next(guest for guest in guests if guest.state == "runs").finish()


async def test_who_is_alone_has_every_slot() -> None:
    assert states(await normal(Slots(4, 9), "one", 6)) == "rrrrww"


@pytest.mark.parametrize("places", [1, 4])
async def test_who_comes_into_a_flood_has_the_next_slot(places: int) -> None:
    slots = Slots(places, 40)
    flood = await normal(slots, "flood", 30)
    (quiet,) = await normal(slots, "quiet")
    await finish_one(flood)
    assert quiet.state == "runs"


async def test_two_that_want_much_have_equally_many_slots() -> None:
    slots = Slots(4, 40)
    flood = await normal(slots, "flood", 10)
    other = await normal(slots, "other", 10)
    for _ in range(2):
        await finish_one(flood)
    assert states(flood) == "ddrrwwwwww"
    assert states(other) == "rrwwwwwwww"
    await finish_one(flood)
    await finish_one(other)
    assert states(flood) == "dddrrwwwww"
    assert states(other) == "drrwwwwwww"


async def test_at_a_single_slot_they_take_turns() -> None:
    slots = Slots(1, 40)
    guests = [*await normal(slots, "one", 3), *await normal(slots, "two", 3)]
    order = []
    for _ in range(6):
        running = next(guest for guest in guests if guest.state == "runs")
        order.append(running.customer)
        await running.finish()
    assert order == ["one", "two"] * 3


async def test_customers_who_come_and_go_do_not_pass_one_who_waits() -> None:
    slots = Slots(1, 40)
    (holder,) = await normal(slots, "first")
    (waits,) = await normal(slots, "waits")
    (fresh,) = await normal(slots, "fresh")
    await holder.finish()
    assert states([waits, fresh]) == "rw"


async def test_a_slot_goes_to_the_more_urgent_lane_whoever_it_is() -> None:
    slots = Slots(1, 40)
    (holder,) = await come(slots, "interactive", customer="flood")
    (urgent,) = await come(slots, "interactive", customer="flood")
    (quiet,) = await normal(slots, "quiet")
    await holder.finish()
    assert states([urgent, quiet]) == "rw"


async def test_the_newest_of_who_has_the_most_makes_place() -> None:
    slots = Slots(1, 4)
    flood = await normal(slots, "flood", 5)
    quiet = await normal(slots, "quiet", 3)
    assert states(flood) == "rwwff"
    assert states(quiet) == "wwf"  # or it had more than the other
    assert slots.load() == Load(running=1, waiting=4, by_gateway={"gw": 5}, by_lane={"normal": 4})
    assert states(await normal(slots, "third", 2)) == "wf"


async def test_what_somebody_has_running_counts_too() -> None:
    slots = Slots(1, 1)
    flood = await normal(slots, "flood", 2)
    assert states(await normal(slots, "quiet", 2)) == "wf"
    assert states(flood) == "rf"


async def test_who_had_to_go_is_told_when_it_would_be_his_turn() -> None:
    clock = ManualClock()
    slots = Slots(1, 4, clock)
    (first,) = await normal(slots, "flood")
    clock.advance(5)
    await first.finish()
    flood = await normal(slots, "flood", 5)
    await normal(slots, "quiet")
    refusal = flood[-1].refusal
    assert refusal is not None
    assert refusal.retry_after_s == 20  # three of his own are before it
    (another,) = await normal(slots, "flood")
    assert another.refusal is not None
    assert another.refusal.retry_after_s == 25  # and the other's one
    _, newest = await normal(slots, "quiet", 2)
    assert newest.refusal is not None
    assert newest.refusal.retry_after_s == 25  # two of each


async def test_who_has_the_most_keeps_the_places_of_a_more_urgent_lane() -> None:
    slots = Slots(1, 2)
    flood = await come(slots, "interactive", "interactive", "interactive", customer="flood")
    assert states(await normal(slots, "quiet")) == "f"
    assert states(await come(slots, "interactive", customer="quiet")) == "w"
    assert states(flood) == "rwf"


async def test_batch_makes_place_for_the_batch_of_others() -> None:
    slots = Slots(1, 4)
    await normal(slots, "holder")
    large = await come(slots, "batch", "batch", "batch", "batch", customer="large")
    assert states(large) == "wwwf"  # one place is kept from it
    assert states(await come(slots, "batch", "batch", customer="small")) == "wf"
    assert states(large) == "wwff"


async def test_what_is_more_urgent_takes_the_place_of_who_has_the_most_batch() -> None:
    slots = Slots(1, 4)
    await normal(slots, "holder")
    large = await come(slots, "batch", "batch", customer="large")
    small = await come(slots, "batch", customer="small")
    assert states(await normal(slots, "holder", 2)) == "ww"
    assert states(large + small) == "wfw"
