from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from server.worker.local.together import Together
from tests.fakes.waiting import until


class Spare:
    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.taken = self.most = 0

    def take(self) -> bool:
        if self.taken == self.slots:
            return False
        self.taken += 1
        self.most = max(self.most, self.taken)
        return True

    def give(self) -> None:
        self.taken -= 1


class Writers:
    """Each choice is a text, written a character at a time; its prompt is the first of them."""

    def __init__(self, fails_at: str = "!") -> None:
        self.begun: list[str] = []
        self.running: set[str] = set()
        self._fails_at = fails_at

    async def write(self, choice: str) -> AsyncGenerator[str, None]:
        self.begun.append(choice)
        self.running.add(choice)
        try:
            for char in choice:
                await asyncio.sleep(0)
                if char == self._fails_at:
                    raise ValueError(choice)
                yield char
        finally:
            self.running.discard(choice)


def together(writers: Writers, choices: list[str], spare: Spare) -> Together[str, str]:
    return Together(choices, writers.write, lambda choice: choice[0], spare)


async def written(writers: Writers, choices: list[str], spare: Spare) -> list[tuple[str, str]]:
    async with aclosing(together(writers, choices, spare).pieces()) as pieces:
        return [piece async for piece in pieces]


@pytest.mark.parametrize("slots", [0, 1, 2, 9])
async def test_each_is_whole_and_in_its_order(slots: int) -> None:
    choices = ["abc", "ade", "a", "bcdefg", "bh"]
    spare = Spare(slots)
    made = await written(Writers(), choices, spare)
    for choice in choices:
        assert "".join(char for one, char in made if one == choice) == choice
    assert spare.taken == 0
    assert spare.most == min(slots, 4)


async def test_without_more_slots_they_come_one_after_another() -> None:
    made = await written(Writers(), ["abc", "ade"], Spare(0))
    assert [choice for choice, _ in made] == ["abc"] * 3 + ["ade"] * 3


async def test_with_more_slots_they_come_at_the_same_time() -> None:
    made = await written(Writers(), ["abcdefgh", "aijklmno"], Spare(1))
    owners = "".join(char for _, char in made)
    assert owners not in ("abcdefghaijklmno", "aijklmnoabcdefgh")


async def test_the_others_of_a_prompt_begin_when_it_is_read() -> None:
    writers = Writers()
    async with aclosing(together(writers, ["ab", "ac", "ad", "bc"], Spare(9)).pieces()) as pieces:
        await asyncio.sleep(0)
        assert writers.begun == []
        await anext(pieces)
        assert writers.begun == ["ab", "bc"]
        await anext(pieces)
        await asyncio.sleep(0)
        assert writers.begun == ["ab", "bc", "ac", "ad"]


async def test_to_leave_is_to_cancel_them_all_at_once() -> None:
    writers, spare = Writers(), Spare(9)
    async with aclosing(
        together(writers, ["a" * 50, "a" * 60, "b" * 50], spare).pieces()
    ) as pieces:
        for _ in range(9):
            await anext(pieces)
        assert len(writers.running) == 3
    assert (writers.running, spare.taken) == (set(), 0)


async def test_to_be_cancelled_is_too() -> None:
    writers, spare = Writers(), Spare(9)
    task = asyncio.create_task(written(writers, ["a" * 5000, "a" * 6000], spare))
    await until(lambda: len(writers.running) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (writers.running, spare.taken) == (set(), 0)


async def test_the_fault_of_one_ends_all() -> None:
    writers, spare = Writers(), Spare(9)
    with pytest.raises(ValueError, match="aab!"):
        await written(writers, ["a" * 50, "aab!", "b" * 50], spare)
    assert (writers.running, spare.taken) == (set(), 0)


async def test_a_slow_client_is_waited_for() -> None:
    writers = Writers()
    async with aclosing(together(writers, ["a" * 5000], Spare(0)).pieces()) as pieces:
        await anext(pieces)
        for _ in range(200):
            await asyncio.sleep(0)
        assert writers.running == {"a" * 5000}
