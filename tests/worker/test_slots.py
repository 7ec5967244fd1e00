from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from server.core.errors import Overloaded
from server.wire.fleet import Load
from server.worker.line import for_batch
from server.worker.slots import Slots
from tests.fakes.waiting import until


@asynccontextmanager
async def held(slots: Slots, count: int, gateway: str = "g") -> AsyncIterator[list[asyncio.Event]]:
    """`count` requests, each with a slot or in line, until their event is set."""
    ends = [asyncio.Event() for _ in range(count)]

    async def hold(end: asyncio.Event) -> None:
        async with slots.take(gateway):
            await end.wait()

    async with asyncio.TaskGroup() as group:
        for end in ends:
            group.create_task(hold(end))
            await asyncio.sleep(0)
        yield ends
        for end in ends:
            end.set()


async def test_what_runs_and_what_waits_is_counted_for_each_gateway() -> None:
    slots = Slots(2, 5)
    async with held(slots, 3, "one") as ends, held(slots, 1, "two"):
        assert slots.load() == Load(
            running=2, waiting=2, by_gateway={"one": 3, "two": 1}, by_lane={"normal": 2}
        )
        for end in ends:
            end.set()
    assert slots.load() == Load()


async def test_it_says_when_a_request_comes_and_when_it_goes_and_not_when_one_is_refused() -> None:
    slots = Slots(1, 1)
    seen: list[int] = []
    slots.changed = lambda: seen.append(sum(slots.load().by_gateway.values()))
    async with held(slots, 2):
        with pytest.raises(Overloaded):
            async with slots.take("late"):
                pass
        assert seen == [1, 2]
    assert seen == [1, 2, 1, 0]


async def test_a_request_without_a_gateway_counts_too() -> None:
    slots = Slots(2, 5)
    async with slots.take():
        assert slots.load() == Load(running=1)


async def test_one_more_than_the_line_holds_is_refused_at_once() -> None:
    slots = Slots(1, 2)
    async with held(slots, 3):
        with pytest.raises(Overloaded) as caught:
            async with slots.take("late"):
                pass
        assert caught.value.retry_after_s
        assert "late" not in slots.load().by_gateway


async def test_without_a_line_the_second_is_refused() -> None:
    slots = Slots(1, 0)
    async with slots.take():
        with pytest.raises(Overloaded):
            async with slots.take():
                pass


async def test_the_first_in_line_is_the_first_to_run() -> None:
    slots = Slots(1, 10)
    order: list[int] = []

    async def ask(number: int) -> None:
        async with slots.take():
            order.append(number)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(slots.take())
        tasks = []
        for number in range(5):
            tasks.append(asyncio.create_task(ask(number)))
            await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]


async def test_leaving_the_line_frees_the_place_in_it() -> None:
    slots = Slots(1, 1)
    async with held(slots, 1):
        waiting = asyncio.create_task(slots.take("w").__aenter__())
        await until(lambda: slots.load().waiting)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert slots.load() == Load(running=1, by_gateway={"g": 1}, cancelled=1)


async def test_who_is_cancelled_as_his_turn_comes_hands_it_on() -> None:
    slots = Slots(1, 2)
    first = slots.take()
    await first.__aenter__()
    leaver = asyncio.create_task(slots.take("leaver").__aenter__())
    entered = asyncio.Event()

    async def stay() -> None:
        async with slots.take("stayer"):
            entered.set()

    stayer = asyncio.create_task(stay())
    await until(lambda: slots.load().waiting == 2)
    await first.__aexit__(None, None, None)  # the leaver's turn has come,
    leaver.cancel()  # but he is gone before he runs
    await asyncio.wait([leaver])
    await asyncio.wait_for(entered.wait(), 1)
    await stayer
    assert slots.load() == Load(cancelled=1)


@pytest.mark.parametrize("error", [ValueError("broken"), KeyError(), TimeoutError()])
async def test_an_error_gives_the_slot_back(error: Exception) -> None:
    slots = Slots(1, 0)
    with pytest.raises(type(error)):
        async with slots.take("g"):
            raise error
    assert slots.load() == Load()


async def test_a_timeout_gives_the_slot_back() -> None:
    slots = Slots(1, 0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), slots.take("g"):
            await asyncio.sleep(10)
    assert slots.load() == Load(cancelled=1)


async def test_a_storm_leaves_nothing_behind() -> None:
    slots = Slots(3, 50)

    async def ask(number: int) -> None:
        async with slots.take(str(number % 4)):
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(ask(number)) for number in range(50)]
    for number, task in enumerate(tasks):
        if number % 3 == 0:
            await asyncio.sleep(0)
            task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    cancelled = sum(isinstance(end, asyncio.CancelledError) for end in ends)
    assert cancelled
    assert slots.load() == Load(cancelled=cancelled)


async def test_who_runs_may_have_more_slots_but_the_last_that_is_free() -> None:
    slots = Slots(4, 5)
    spare = slots.spare("normal", "ann")
    async with slots.take("g", customer="ann"):
        assert [spare.take() for _ in range(4)] == [True, True, False, False]
        assert slots.load() == Load(running=3, by_gateway={"g": 1})
        async with slots.take("g", customer="bob"):
            assert slots.load().running == 4
            spare.give()
            assert not spare.take()
        assert spare.take()
        spare.give()
        spare.give()
    assert slots.load() == Load()


async def test_whoever_waits_is_before_who_wants_more() -> None:
    slots = Slots(3, 5)
    spare = slots.spare("normal", "ann")
    async with slots.take(customer="ann"):
        assert spare.take()
        async with held(slots, 2):
            assert (slots.load().running, slots.load().waiting) == (3, 1)
            spare.give()
            assert (slots.load().running, slots.load().waiting) == (3, 0)
            assert not spare.take()


async def test_batch_work_has_no_more_slots_than_are_its_own() -> None:
    slots = Slots(8, 5)
    spare = slots.spare("batch", "ann")
    async with slots.take(lane="batch", customer="ann"):
        took = [spare.take() for _ in range(8)]
        assert took.count(True) == for_batch(8) - 1
        for _ in range(took.count(True)):
            spare.give()
    assert slots.load() == Load()
