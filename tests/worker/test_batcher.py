from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress

import pytest

from server.core.errors import Unavailable
from server.wire.lanes import Lane
from server.worker.batcher import Batcher
from tests.fakes.waiting import until

AHEAD = 4


class Said:
    """An answer that says its name and how far it is; `None` stands for nothing new."""

    def __init__(self, name: str, tokens: int = 3, pieces: int = 1, fails_at: int = 0) -> None:
        self.name = name
        self.ended = False
        self.made = 0
        self._tokens = tokens
        self._pieces = pieces
        self._fails_at = fails_at
        self.story: list[str] = []

    def read(self) -> int | None:
        self.story.append(f"reads {self.name}")
        self._pieces -= 1
        return None if self._pieces else 0

    def take(self, scores: int) -> str | None:
        self.made += 1
        if self.made == self._fails_at:
            raise ValueError(self.name)
        self.ended = self.made == self._tokens
        return f"{self.name}{self.made}" if self.made % 5 else None


class Everybody:
    """A group that notes who went on in each step."""

    def __init__(self) -> None:
        self.answers: list[Said] = []
        self.steps: list[str] = []
        self.over: list[str] = []
        self.left: list[str] = []
        self.broken = False
        self.room = 100

    def join(self, answer: Said) -> None:
        if len(self.answers) >= self.room:
            raise Unavailable("There is no room.")
        self.answers.append(answer)

    def leave(self, answer: Said) -> None:
        self.left.append(answer.name)
        self.answers.remove(answer)

    def step(self) -> Sequence[tuple[Said, int]]:
        if self.broken:
            raise MemoryError("all of it")
        self.steps.append("".join(answer.name for answer in self.answers))
        return [(answer, len(self.steps)) for answer in self.answers]

    def end(self, answer: Said) -> None:
        self.over.append(answer.name)
        if answer in self.answers:
            self.answers.remove(answer)


Tested = Batcher[Said, int, str]


@pytest.fixture
def group() -> Everybody:
    return Everybody()


@pytest.fixture
async def batcher(group: Everybody) -> AsyncIterator[Tested]:
    batcher: Tested = Batcher("tested", group, max_ahead=AHEAD)
    yield batcher
    batcher.close()


async def all_of(batcher: Tested, answer: Said, lane: Lane = "normal") -> list[str]:
    return [piece async for piece in batcher.run(answer, lane, "")]


async def test_pieces_come_in_order_without_the_nones(batcher: Tested) -> None:
    said = await all_of(batcher, Said("a", 7))
    assert said == ["a1", "a2", "a3", "a4", "a6", "a7"]


async def test_an_answer_of_one_token_never_joins(batcher: Tested, group: Everybody) -> None:
    assert await all_of(batcher, Said("a", 1)) == ["a1"]
    await until(lambda: group.over == ["a"])
    assert group.steps == []


async def test_those_who_are_past_their_prompts_go_on_in_one_step(
    batcher: Tested, group: Everybody
) -> None:
    said = await asyncio.gather(*(all_of(batcher, Said(name, 9)) for name in "abc"))
    assert [len(pieces) for pieces in said] == [8, 8, 8]
    assert "abc" in group.steps
    assert len(group.steps) < 3 * 8


async def test_a_long_prompt_is_read_between_the_steps_of_others(group: Everybody) -> None:
    batcher: Tested = Batcher("tested", group, max_ahead=10**6)
    going, reading = Said("a", 10**9), Said("b", 1, pieces=50)
    reading.story = group.steps
    async with aclosing(batcher.run(going, "normal", "")) as pieces:
        await anext(pieces)
        assert await all_of(batcher, reading) == ["b1"]
    await asyncio.to_thread(batcher.close)
    story = " ".join(group.steps)
    assert story.count("reads b") == 50
    assert "reads b reads b reads b" not in story


async def test_who_leaves_is_gone_after_one_more_step(batcher: Tested, group: Everybody) -> None:
    answer = Said("a", 10**9)
    async with aclosing(batcher.run(answer, "normal", "")) as pieces:
        await anext(pieces)
    await until(lambda: group.over == ["a"])
    assert batcher.steps_after_cancel <= 1
    assert not group.answers


async def test_who_leaves_in_mid_prompt_is_not_read_on(batcher: Tested, group: Everybody) -> None:
    answer = Said("a", pieces=10**9)
    reading = asyncio.create_task(all_of(batcher, answer))
    await until(lambda: len(answer.story) > 3)
    reading.cancel()
    await until(lambda: group.over == ["a"])
    assert answer.made == 0
    assert batcher.steps_after_cancel == 0


async def test_who_does_not_read_rests_and_holds_up_nobody(
    batcher: Tested, group: Everybody
) -> None:
    slow = Said("s", 40)
    async with aclosing(batcher.run(slow, "normal", "")) as pieces:
        got = [await anext(pieces)]
        await until(lambda: group.left == ["s"])
        assert slow.made <= 2 * AHEAD
        assert await all_of(batcher, Said("a", 9)) == [f"a{n}" for n in range(1, 10) if n % 5]
        got += [piece async for piece in pieces]
    assert got == [f"s{n}" for n in range(1, 41) if n % 5]


async def test_a_fault_in_one_answer_is_its_own(batcher: Tested, group: Everybody) -> None:
    good = asyncio.create_task(all_of(batcher, Said("a", 9)))
    with pytest.raises(ValueError, match="b"):
        await all_of(batcher, Said("b", 9, fails_at=2))
    with pytest.raises(ValueError, match="c"):
        await all_of(batcher, Said("c", 9, fails_at=1))
    assert len(await good) == 8
    assert sorted(group.over) == ["a", "b", "c"]


async def test_a_step_that_fails_ends_all_who_took_it_and_nobody_else(
    batcher: Tested, group: Everybody
) -> None:
    async with aclosing(batcher.run(Said("a", 10**9), "normal", "")) as pieces:
        await anext(pieces)
        group.broken = True
        with pytest.raises(MemoryError):
            async for _ in pieces:
                pass
    group.broken = False
    assert await all_of(batcher, Said("b", 3)) == ["b1", "b2", "b3"]


async def test_who_finds_no_room_is_told_so(batcher: Tested, group: Everybody) -> None:
    group.room = 0
    with pytest.raises(Unavailable, match="no room"):
        await all_of(batcher, Said("a", 9))
    assert group.over == ["a"]


async def test_the_end_is_told_to_all_and_nobody_comes_after_it(group: Everybody) -> None:
    batcher: Tested = Batcher("tested", group)
    going = asyncio.create_task(all_of(batcher, Said("a", 10**9)))
    reading = asyncio.create_task(all_of(batcher, Said("b", pieces=10**9)))
    await until(lambda: bool(group.steps))
    await asyncio.to_thread(batcher.close)
    for task in (going, reading):
        with pytest.raises(Unavailable):
            await task
    with pytest.raises(Unavailable):
        await all_of(batcher, Said("c"))
    assert sorted(group.over) == ["a", "b"]


async def test_when_its_thread_fails_nobody_waits_for_it(group: Everybody) -> None:
    told: list[str] = []
    batcher: Tested = Batcher("tested", group, failed=told.append)
    leaving = asyncio.create_task(all_of(batcher, Said("a", 10**9)))
    going = asyncio.create_task(all_of(batcher, Said("b", 10**9)))
    reading = asyncio.create_task(all_of(batcher, Said("c", pieces=10**9)))
    await until(lambda: "ab" in group.steps)
    group.end = not_any_more  # type: ignore[method-assign]
    leaving.cancel()
    for task in (going, reading):
        with pytest.raises(Unavailable, match="has failed"):
            await asyncio.wait_for(task, 5)
    with pytest.raises(Unavailable):
        await all_of(batcher, Said("d"))
    await until(lambda: told == ["the model has failed: KeyError: 'a'"])


async def test_who_was_just_ending_when_its_thread_fails_is_told_too() -> None:
    for ending in (Said("a", 2), Said("b", 9, fails_at=1), Said("c", 9, fails_at=2)):
        group = Everybody()
        group.end = not_any_more  # type: ignore[method-assign]
        batcher: Tested = Batcher("tested", group, failed=lambda why: None)
        with suppress(ValueError):  # its own, or none: it had all that it was to have
            assert await asyncio.wait_for(all_of(batcher, ending), 5) == ["a1", "a2"]


async def test_who_cannot_rest_for_want_of_memory_ends_alone(
    batcher: Tested, group: Everybody
) -> None:
    group.leave = not_any_more  # type: ignore[method-assign]
    async with aclosing(batcher.run(Said("a", 10**9), "normal", "")) as slow:
        await anext(slow)
        await until(lambda: group.over == ["a"])
        with pytest.raises(KeyError):
            async for _ in slow:
                pass
    assert await all_of(batcher, Said("b", 1)) == ["b1"]


def not_any_more(answer: Said) -> None:
    raise KeyError(answer.name)


async def test_chores_are_done_between_two_steps(batcher: Tested, group: Everybody) -> None:
    async with aclosing(batcher.run(Said("a", 10**9), "normal", "")) as pieces:
        await anext(pieces)
        await until(lambda: "a" in group.steps)
        batcher.between_steps(lambda: group.steps.append("a chore"))
        await until(lambda: "a chore" in group.steps)


async def test_chores_are_done_while_nobody_asks(batcher: Tested, group: Everybody) -> None:
    batcher.between_steps(lambda: group.steps.append("a chore"))
    await until(lambda: group.steps == ["a chore"])
