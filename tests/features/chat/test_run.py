from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.features.chat.events import Event
from server.features.chat.run import Run
from server.wire.browser import DoneFrame, ErrorFrame, LeftOut, QueueFrame
from tests.features.chat.messages import CONVERSATION_ID, MESSAGE_ID, message

DONE = DoneFrame(
    message_id=MESSAGE_ID,
    conversation_id=CONVERSATION_ID,
    conversation_name="",
    usage=None,
    finish_reason="stop",
    left_out=LeftOut(),
    first_token_s=None,
    duration_s=None,
)


async def collect(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


def text_of(events: list[Event]) -> str:
    return "".join(json.loads(event.data)["text"] for event in events if event.name == "")


@given(st.lists(st.text(max_size=5), max_size=12), st.integers(0, 70))
def test_what_was_missed_comes_later_from_any_character_on(pieces: list[str], after: int) -> None:
    async def read() -> list[Event]:
        run = Run(message())
        for piece in pieces:
            run.write(piece)
        run.close(DONE)
        return await collect(run.events(after))

    events = asyncio.run(read())
    whole = "".join(pieces)
    assert text_of(events) == whole[after:]
    assert [event.name for event in events[-1:]] == ["done"]
    assert all(event.id <= len(whole) for event in events)


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=8), st.data())
def test_the_id_of_a_frame_is_where_to_go_on(pieces: list[str], data: st.DataObject) -> None:
    """Cut after any frame and ask again with its id: nothing is lost and nothing repeats."""

    async def read() -> str:
        run = Run(message())
        got, last_id = "", 0
        for piece in pieces:
            run.write(piece)
            if data.draw(st.booleans()):
                reading = run.events(last_id)
                event = await anext(reading)
                await reading.aclose()
                got, last_id = got + text_of([event]), event.id
        run.close(DONE)
        return got + text_of(await collect(run.events(last_id)))

    assert asyncio.run(read()) == "".join(pieces)


async def test_a_reader_waits_for_text_and_gets_what_piled_up_in_one_frame() -> None:
    run = Run(message())
    reading = run.events()
    first = asyncio.ensure_future(anext(reading))
    await asyncio.sleep(0)
    run.write("one ")
    assert text_of([await first]) == "one "
    run.write("two ")
    run.write("three")
    assert text_of([await anext(reading)]) == "two three"
    run.close(DONE)
    assert [event.name for event in await collect(reading)] == ["done"]


async def test_the_place_in_the_queue_is_told_once_and_forgotten_with_the_first_text() -> None:
    run = Run(message())
    reading = run.events()
    run.wait_at(QueueFrame(message_id=MESSAGE_ID, position=2))
    first = await anext(reading)
    assert (first.name, json.loads(first.data)["position"]) == ("queue", 2)
    run.wait_at(QueueFrame(message_id=MESSAGE_ID, position=2))
    run.wait_at(QueueFrame(message_id=MESSAGE_ID, position=1))
    assert json.loads((await anext(reading)).data)["position"] == 1
    run.write("text")
    run.close(DONE)
    assert [event.name for event in await collect(reading)] == ["", "done"]
    assert [event.name for event in await collect(run.events())] == ["", "done"]


async def test_an_error_ends_every_reader() -> None:
    run = Run(message())
    readers = [asyncio.ensure_future(collect(run.events())) for _ in range(50)]
    await asyncio.sleep(0)
    run.write("half")
    run.close(ErrorFrame(message_id=MESSAGE_ID, code="worker_lost", message="gone"))
    for events in await asyncio.gather(*readers):
        assert [event.name for event in events] == ["", "error"]


async def test_it_is_known_when_nobody_listens() -> None:
    run = Run(message())
    heard: list[bool] = []
    run.alone = heard.append
    one, two = run.events(), run.events()
    run.write("x")
    await anext(one)
    await anext(two)
    await one.aclose()
    assert heard == [False]
    await two.aclose()
    assert heard == [False, True]


@pytest.mark.parametrize("text", ["a\n\nevent: done\ndata: {}\n\n", "\u2028\r\r\x85", "🙂"])
async def test_text_cannot_forge_a_frame(text: str) -> None:
    run = Run(message())
    run.write(text)
    run.close(DONE)
    event = (await collect(run.events()))[0]
    lines = event.encode().split(b"\n")
    assert lines[0] == f"id: {len(text)}".encode()
    assert lines[2:] == [b"", b""]
    assert json.loads(lines[1].removeprefix(b"data: "))["text"] == text
