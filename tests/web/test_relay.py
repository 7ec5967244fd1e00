"""Streams on their way through: every byte once, in order, at the pace of a slow client."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.clients.connection import HIGH_WATER
from server.core.errors import WorkerLost
from server.core.limits import MAX_EVENT_BYTES
from tests.fakes.upstream import LAST_CHUNK, chunk
from tests.web.http1.talk import GET, settle
from tests.web.passing import Passing, event, events

DONE = events(b"[DONE]") + LAST_CHUNK
HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-accel-buffering: no\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


async def test_each_event_is_one_write_and_there_in_the_turn_in_which_it_came() -> None:
    passing = Passing()
    client = await passing.begin(events(b"0"))
    assert client.transport.writes == [HEAD + chunk(event(b"0"))]
    for number in range(1, 4):
        passing.upstream.data_received(events(b"%d" % number))
        assert client.transport.writes[number:] == [chunk(event(b"%d" % number))]
    await passing.hear(DONE)
    assert client.said.endswith(chunk(event(b"[DONE]")) + LAST_CHUNK)
    assert passing.seen == [event(b"0"), event(b"1"), event(b"2"), event(b"3"), event(b"[DONE]")]
    assert passing.stream.events == 5
    assert not client.transport.closing


@pytest.mark.parametrize("is_ours", [True, False])
async def test_another_servers_client_gets_the_same(is_ours: bool) -> None:
    passing = Passing(is_ours=is_ours)
    client = await passing.begin(events(b"0"))
    for number in range(1, 6):
        await passing.hear(events(b"%d" % number))
    await passing.hear(DONE)
    texts = [event(text) for text in (b"0", b"1", b"2", b"3", b"4", b"5", b"[DONE]")]
    assert client.transport.writes == [
        HEAD + chunk(texts[0]),
        *(chunk(text) for text in texts[1:]),
        LAST_CHUNK,
    ]
    assert passing.seen == texts
    assert passing.sends == (0 if is_ours else len(texts) + 2)


async def test_an_old_client_gets_the_same_until_its_connection_ends() -> None:
    passing = Passing()
    client = await passing.begin(events(b"0"), request=b"GET / HTTP/1.0\r\n\r\n")
    await passing.hear(events(b"1"))
    await passing.hear(DONE)
    assert client.said.endswith(b"\r\n\r\n" + event(b"0") + event(b"1") + event(b"[DONE]"))
    assert client.transport.closing


async def test_who_asks_for_the_head_gets_no_event() -> None:
    passing = Passing()
    client = await passing.begin(events(b"0"), request=GET.replace(b"GET", b"HEAD"))
    await passing.hear(events(b"1"))
    await passing.hear(DONE)
    assert client.said.endswith(b"\r\n\r\n") and client.said.count(b"\r\n\r\n") == 1
    assert passing.seen[-1] == event(b"[DONE]")


async def test_a_client_that_reads_slowly_is_waited_for_and_misses_nothing() -> None:
    passing = Passing()
    client = await passing.begin(events(b"0"))
    client.protocol.pause_writing()
    for number in range(1, 5):
        await passing.hear(events(b"%d" % number))
    assert passing.body == event(b"0") == b"".join(passing.seen)
    client.protocol.resume_writing()
    await settle()
    assert passing.body == b"".join(event(b"%d" % number) for number in range(5))
    passing.upstream.data_received(events(b"5"))  # at once again
    assert passing.body.endswith(event(b"5"))
    client.protocol.pause_writing()
    await passing.hear(events(b"6"), DONE)
    await passing.cut()
    assert not passing.is_whole
    client.protocol.resume_writing()
    await settle()
    assert passing.is_whole
    assert passing.body == b"".join(map(event, [b"%d" % n for n in range(7)] + [b"[DONE]"]))
    assert passing.body == b"".join(passing.seen)
    assert passing.stream.events == 8


async def test_an_upstream_is_made_to_wait_for_a_slow_client_and_only_then() -> None:
    passing = Passing()
    large = b"x" * (HIGH_WATER // 2)
    client = await passing.begin(events(b"0"))
    for _ in range(8):
        await passing.hear(events(large))
    assert not passing.transport.paused
    client.protocol.pause_writing()
    for _ in range(2):
        await passing.hear(events(large))
        assert not passing.transport.paused
    await passing.hear(events(large))
    assert passing.transport.paused
    client.protocol.resume_writing()
    await settle()
    assert not passing.transport.paused
    await passing.hear(DONE)
    assert passing.body == event(b"0") + event(large) * 11 + event(b"[DONE]")


async def test_events_are_changed_once_each_even_if_they_have_to_wait() -> None:
    numbers = count()

    def change(said: bytes) -> bytes:
        kept = [text for text in said.split(b"\n\n") if text and b"-" not in text]
        return b"".join(event(b"%d" % next(numbers)) for _ in kept)

    passing = Passing(change)
    client = await passing.begin(events(b"a"))
    await passing.hear(events(b"b"), events(b"-"), events(b"c"))
    client.protocol.pause_writing()
    await passing.hear(events(b"d"), events(b"-"))
    await passing.hear(events(b"e"))
    client.protocol.resume_writing()
    await settle()
    await passing.hear(events(b"-"), events(b"f"))
    assert passing.body == b"".join(event(b"%d" % number) for number in range(6))
    assert passing.body == b"".join(passing.seen)
    assert passing.stream.last[-1] == event(b"f")


@pytest.mark.parametrize("is_ours", [True, False])
async def test_half_an_event_is_never_sent(is_ours: bool) -> None:
    passing = Passing(is_ours=is_ours)
    await passing.begin(events(b"one"))
    await passing.hear(chunk(b"data: t"), chunk(b"wo\n"))
    assert passing.body == event(b"one")
    await passing.hear(chunk(b"\ndata: th"))
    assert passing.body == event(b"one") + event(b"two")
    await passing.cut()
    assert passing.body.startswith(event(b"one") + event(b"two") + b"event: error\n")
    assert passing.code == "worker_lost"
    assert isinstance(passing.error, WorkerLost)
    assert passing.seen == [event(b"one"), event(b"two")]


@pytest.mark.parametrize(
    "ends",
    [
        [LAST_CHUNK],
        [events(b'{"finish_reason":null}') + LAST_CHUNK],
        [events(b"two") + b"nonsense\r\n"],
        [chunk(b"data: [DONE]\n") + LAST_CHUNK],
        [chunk(b"data: " + b"x" * (MAX_EVENT_BYTES + 1))],
        [events(b"says data: [DONE]") + LAST_CHUNK],
        [events(b'{"finish_reason":"stop"}'), chunk(b"data: hal") + LAST_CHUNK],
        [events(b"[DONE]") + chunk(b"data: hal") + LAST_CHUNK],
    ],
    ids=[
        "nothing",
        "no reason",
        "nonsense",
        "half an event",
        "an endless event",
        "only text",
        "half an event behind a reason",
        "half an event behind the end mark",
    ],
)
@pytest.mark.parametrize("is_slow", [True, False])
@pytest.mark.parametrize("is_ours", [True, False])
async def test_a_stream_without_its_end_is_told_as_broken(
    ends: list[bytes], is_slow: bool, is_ours: bool
) -> None:
    passing = Passing(is_ours=is_ours)
    client = await passing.begin(events(b"one"))
    if is_slow:
        client.protocol.pause_writing()
    await passing.hear(events(b"more"), *ends)
    if is_slow:
        assert passing.body == event(b"one")
        client.protocol.resume_writing()
        await settle()
    assert passing.body.startswith(event(b"one") + event(b"more"))
    assert passing.code == "worker_lost"
    assert passing.body.count(b"event: error") == 1


@pytest.mark.parametrize("finish", [b"[DONE]", b'{"finish_reason":"stop"}'])
@pytest.mark.parametrize("is_slow", [True, False])
async def test_a_stream_with_its_end_is_whole(finish: bytes, is_slow: bool) -> None:
    passing = Passing()
    client = await passing.begin(events(b"one"))
    if is_slow:
        client.protocol.pause_writing()
    await passing.hear(events(finish), LAST_CHUNK)
    client.protocol.resume_writing()
    await settle()
    assert passing.is_whole and passing.error is None
    assert passing.body == event(b"one") + event(finish)


async def test_a_finish_of_one_of_several_choices_is_no_end() -> None:
    passing = Passing(one_choice=False)
    await passing.begin(events(b'{"finish_reason":"stop"}'))
    await passing.hear(LAST_CHUNK)
    assert passing.code == "worker_lost"


async def test_a_cut_behind_the_end_mark_is_no_loss_and_a_told_error_is_told_once() -> None:
    for last in (event(b"[DONE]"), b'event: error\ndata: {"error":{"code":"x"}}\n\n'):
        passing = Passing()
        await passing.begin(events(b"one"))
        await passing.hear(chunk(last))
        await passing.cut()
        assert passing.is_whole and passing.error is None
        assert passing.body == event(b"one") + last
        assert passing.stream.failed == (b"error" in last)


steps = st.lists(
    st.one_of(st.just("pause"), st.just("resume"), st.just("turn"), st.integers(1, 40)),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(
    texts=st.lists(st.text("ab\u2028🙂{}", min_size=1, max_size=12), max_size=20),
    steps=steps,
    is_ours=st.booleans(),
)
async def test_every_byte_comes_once_and_in_order_at_any_pace(
    texts: list[str], steps: list[str | int], is_ours: bool
) -> None:
    whole = [event(text.encode()) for text in texts]
    stream = b"".join(map(chunk, whole)) + DONE
    passing = Passing(is_ours=is_ours)
    client = await passing.begin(events(b"first"))
    for step in steps:
        if isinstance(step, int):
            stream, packet = stream[step:], stream[:step]
            if packet:
                passing.upstream.data_received(packet)
        elif step == "pause":
            client.protocol.pause_writing()
        elif step == "resume":
            client.protocol.resume_writing()
        else:
            await asyncio.sleep(0)
        assert b"".join([event(b"first"), *whole, event(b"[DONE]")]).startswith(passing.body)
    if stream:
        passing.upstream.data_received(stream)
    client.protocol.resume_writing()
    await settle()
    await settle()
    assert passing.is_whole and passing.error is None
    assert passing.body == b"".join([event(b"first"), *whole, event(b"[DONE]")])
    assert passing.body == b"".join(passing.seen)
