"""Whoever listens hears every event once and in order, from where he wishes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from server.gateway.dialects.responses import story as module
from server.gateway.dialects.responses.story import KEEP_S, Stories, Story


def event(number: int) -> bytes:
    return b"event: odd\ndata: %d\n\n" % number


async def heard(story: Story, number: int = 0) -> bytes:
    async with aclosing(story.read(number)) as pieces:
        return b"".join([piece async for piece in pieces])


async def test_who_comes_late_hears_it_all_and_who_asks_the_rest() -> None:
    story = Story()
    story.tell(event(0) + event(1))
    story.tell(event(2))
    story.end()
    assert await heard(story) == event(0) + event(1) + event(2)
    assert await heard(story, 2) == event(2)
    assert await heard(story, 3) == await heard(story, 99) == b""


async def test_several_listen_while_it_is_told() -> None:
    story = Story()
    both = [asyncio.create_task(heard(story, number)) for number in (0, 1)]
    for number in range(3):
        story.tell(event(number))
        await asyncio.sleep(0)
    story.end()
    every, later = [(await task).replace(b": ping\n\n", b"") for task in both]
    assert every == event(0) + later == event(0) + event(1) + event(2)


async def test_a_comment_is_told_to_who_listens_and_not_kept() -> None:
    story = Story()
    async with aclosing(story.read(0)) as pieces:
        waiting = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0)
        story.tell(b": ping\n\n")
        assert await waiting == b": ping\n\n"
    assert story.size == 0


async def test_what_is_too_old_is_here_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 10 * len(event(0)))
    story = Story()
    for number in range(10):
        story.tell(event(number))
    async with aclosing(story.read(0)) as pieces:
        await anext(pieces)
    assert story.reaches_back_to(0)
    story.tell(event(9))
    assert not story.reaches_back_to(4)
    assert story.reaches_back_to(5)
    story.end()
    assert (await heard(story, 5)).startswith(event(5))
    assert story.size == len(await heard(story, 5))


def ended(*events: bytes) -> Story:
    story = Story()
    story.tell(b"".join(events))
    story.end()
    return story


def test_stories_are_kept_for_a_while() -> None:
    stories, one = Stories(), ended(event(1))
    stories.add("one", one, 0.0)
    assert stories.find("one", KEEP_S - 1) is one
    assert stories.find("one", KEEP_S) is None
    stories.add("two", one, KEEP_S)
    stories.drop("two")
    stories.drop("two")
    assert stories.find("two", KEEP_S) is None


def test_the_oldest_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENDED_BYTES", 2 * len(event(1)))
    stories = Stories()
    for number in range(3):
        stories.add(str(number), ended(event(number)), 0.0)
    assert [stories.find(str(number), 0.0) is None for number in range(3)] == [True, False, False]


async def test_nothing_is_lost_to_who_listens_or_is_to_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", len(event(0)))
    story = Story()
    for number in range(4):
        story.tell(event(number))
    async with aclosing(story.read(0)) as pieces:
        assert await anext(pieces) == b"".join(map(event, range(4)))
        for number in range(4, 9):
            story.tell(event(number))
        assert await anext(pieces) == b"".join(map(event, range(4, 9)))
    story.tell(event(9))
    assert not story.reaches_back_to(4)
