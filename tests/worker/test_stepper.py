from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from server.core.errors import Unavailable
from server.wire.lanes import Lane
from server.worker.stepper import Stepper
from tests.fakes.waiting import until


@pytest.fixture
async def stepper() -> AsyncIterator[Stepper[str]]:
    stepper: Stepper[str] = Stepper("tested", max_ahead=4)
    yield stepper
    stepper.close()


async def all_of(
    stepper: Stepper[str], steps: Iterator[str | None], lane: Lane = "normal"
) -> list[str]:
    return [result async for result in stepper.run(steps, lane)]


class Job:
    """Endless steps that know how far they got and whether they were closed."""

    def __init__(self, name: str = "x", story: list[str] | None = None) -> None:
        self.name = name
        self.made = 0
        self.closed = False
        self.story = story if story is not None else []

    def steps(self, count: int = 10**9) -> Iterator[str]:
        try:
            while self.made < count:
                self.made += 1
                self.story.append(self.name)
                yield f"{self.name}{self.made}"
        finally:
            self.closed = True


async def test_results_come_in_order_without_the_nones(stepper: Stepper[str]) -> None:
    assert await all_of(stepper, iter(["a", None, "b"])) == ["a", "b"]


async def test_jobs_take_turns(stepper: Stepper[str]) -> None:
    story: list[str] = []
    gate = threading.Event()

    def gated() -> Iterator[str]:
        gate.wait(5)
        yield "open"

    waiting = asyncio.create_task(all_of(stepper, gated()))
    both = [asyncio.create_task(all_of(stepper, Job(n, story).steps(3))) for n in "ab"]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(waiting, *both) == [
        ["open"],
        ["a1", "a2", "a3"],
        ["b1", "b2", "b3"],
    ]
    assert story == ["a", "b"] * 3


async def test_whose_turn_it_is_depends_on_the_lanes(stepper: Stepper[str]) -> None:
    story: list[str] = []
    gate = threading.Event()

    def gated() -> Iterator[str]:
        gate.wait(5)
        yield "open"

    def silent(name: str) -> Iterator[str | None]:
        """Two steps before its first words, as for a long prompt."""
        for result in (None, None, f"{name}1", f"{name}2"):
            story.append(name)
            yield result

    jobs = [asyncio.create_task(all_of(stepper, gated()))]
    await asyncio.sleep(0)
    for name in "ab":
        steps = Job(name, story).steps(6)
        jobs.append(asyncio.create_task(all_of(stepper, steps, "normal")))
        await asyncio.sleep(0)
    jobs.append(asyncio.create_task(all_of(stepper, silent("i"), "interactive")))
    await asyncio.sleep(0)
    gate.set()
    *_, interactive = await asyncio.gather(*jobs)
    assert interactive == ["i1", "i2"]
    assert story[:3] == ["i"] * 3
    assert "".join(story[3:]).replace("i", "") == "ab" * 6


async def test_an_error_reaches_its_own_consumer_only(stepper: Stepper[str]) -> None:
    def failing() -> Iterator[str]:
        yield "one"
        raise ValueError("broken")

    other = asyncio.create_task(all_of(stepper, Job("b").steps(3)))
    with pytest.raises(ValueError, match="broken"):
        await all_of(stepper, failing())
    assert await other == ["b1", "b2", "b3"]


async def test_leaving_stops_the_job_within_one_step(stepper: Stepper[str]) -> None:
    job = Job()
    async with aclosing(stepper.run(job.steps())) as results:
        assert await anext(results) == "x1"
    made = job.made
    await until(lambda: job.closed)
    assert job.made <= made + 1
    assert stepper.steps_after_cancel <= 1


async def test_a_cancelled_consumer_stops_the_job(stepper: Stepper[str]) -> None:
    job = Job()
    task = asyncio.create_task(all_of(stepper, job.steps()))
    await until(lambda: job.made)
    task.cancel()
    await asyncio.wait([task])
    await until(lambda: job.closed)


async def test_a_slow_consumer_pauses_its_job_and_no_other(stepper: Stepper[str]) -> None:
    slow = Job("slow")
    async with aclosing(stepper.run(slow.steps())) as results:
        await anext(results)
        assert len(await all_of(stepper, Job("quick").steps(50))) == 50
        assert slow.made <= 6
        assert [await anext(results) for _ in range(20)][-1] == "slow21"


async def test_closing_ends_every_job_with_an_error() -> None:
    stepper: Stepper[str] = Stepper("tested")
    job = Job()
    results = stepper.run(job.steps())
    await anext(results)
    stepper.close()
    with pytest.raises(Unavailable):
        async for _ in results:
            pass
    assert job.closed
    with pytest.raises(Unavailable):
        await anext(stepper.run(job.steps()))
