"""One connection without a network: what arrives in one turn of the loop, and in which order."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.clients.connection import HIGH_WATER, Connection
from server.core.errors import BadAnswer, CutOff
from tests.fakes.transport import FakeTransport
from tests.fakes.upstream import CLOSE_DELIMITED_HEAD, LAST_CHUNK, STREAM_HEAD, chunk, whole


class Line:
    """A connection that was asked, and what its sink has taken: `takes` pieces at a time."""

    def __init__(self, takes: int = 1_000_000, raises: Exception | None = None) -> None:
        self.connection = Connection(asyncio.get_running_loop())
        self.transport = FakeTransport(self.connection)
        self.connection.connection_made(self.transport)
        self.taken: list[bytes] = []
        self.takes = takes
        self.raises = raises

    def sink(self, piece: bytes) -> bool:
        assert piece
        self.taken.append(piece)
        self.takes -= 1
        if self.raises is not None and self.takes <= 0:
            raise self.raises
        return self.takes > 0

    def hear(self, *packets: bytes) -> None:
        """All in one turn of the loop."""
        for packet in packets:
            self.connection.data_received(packet)

    async def ask(self, *packets: bytes) -> None:
        """Send a request; `packets` are there before its head is looked at."""
        asking = self.connection.ask(b"GET / HTTP/1.1\r\n\r\n")
        self.hear(*packets)
        await asking

    async def pour(self, *packets: bytes) -> asyncio.Task[None]:
        """Begin to pour, and hear the packets while nobody is woken."""
        pouring = asyncio.create_task(self.connection.pour(self.sink))
        await asyncio.sleep(0)
        self.hear(*packets)
        return pouring


async def test_pieces_are_given_at_once_and_nobody_is_woken_for_them() -> None:
    line = Line()
    await line.ask(STREAM_HEAD)
    pouring = await line.pour()
    for number in range(3):
        line.hear(chunk(b"%d" % number))
        assert line.taken[-1] == b"%d" % number
        assert line.connection._waiter is not None and not line.connection._waiter.done()
    assert not pouring.done()
    line.hear(LAST_CHUNK)
    await pouring
    assert line.taken == [b"0", b"1", b"2"]
    assert line.connection.release()


async def test_what_came_with_the_head_is_given_first() -> None:
    line = Line()
    await line.ask(STREAM_HEAD + chunk(b"one") + chunk(b"two"))
    pouring = await line.pour(chunk(b"three") + LAST_CHUNK)
    await pouring
    assert line.taken == [b"onetwo", b"three"]


async def test_after_a_sink_has_said_no_the_rest_waits_for_the_next_one() -> None:
    line = Line(takes=2)
    await line.ask(STREAM_HEAD)
    pouring = await line.pour(chunk(b"1"), chunk(b"2"), chunk(b"3"), chunk(b"4"))
    assert line.taken == [b"1", b"2"]
    await pouring
    line.hear(chunk(b"5"))
    assert line.taken == [b"1", b"2"]
    line.takes = 2
    pouring = await line.pour(chunk(b"6"), chunk(b"7") + LAST_CHUNK)
    await pouring
    assert line.taken == [b"1", b"2", b"345", b"6"]
    assert not line.connection.exhausted
    assert await line.connection.chunk() == b"7"
    assert line.connection.exhausted
    assert await line.connection.chunk() == b""


async def test_a_sink_that_says_no_to_the_last_piece_has_had_it() -> None:
    line = Line(takes=1)
    await line.ask(STREAM_HEAD)
    await (await line.pour(chunk(b"all") + LAST_CHUNK))
    assert line.connection.exhausted
    await (await line.pour())
    assert line.taken == [b"all"]
    assert line.connection.release()


@pytest.mark.parametrize("answer", [whole(b""), STREAM_HEAD + LAST_CHUNK])
async def test_of_nothing_nothing_is_given(answer: bytes) -> None:
    line = Line()
    await line.ask(answer)
    await (await line.pour())
    assert line.taken == []
    assert line.connection.release()


async def test_while_a_sink_takes_all_the_peer_never_waits() -> None:
    line = Line()
    await line.ask(STREAM_HEAD)
    pouring = await line.pour()
    for _ in range(9):
        line.hear(chunk(b"x" * HIGH_WATER))
        assert not line.transport.paused
    line.hear(LAST_CHUNK)
    await pouring
    assert sum(map(len, line.taken)) == 9 * HIGH_WATER


async def test_behind_a_sink_that_said_no_the_peer_has_to_wait() -> None:
    line = Line(takes=1)
    almost, more = b"x" * (HIGH_WATER - 100), b"y" * 100
    await line.ask(STREAM_HEAD)
    pouring = await line.pour(chunk(b"first"), chunk(almost))
    assert not line.transport.paused
    line.hear(chunk(more))
    assert line.transport.paused
    await pouring
    line.takes = 1
    await (await line.pour())  # takes what waits, and no more
    assert not line.transport.paused
    assert line.taken == [b"first", almost + more]


async def test_what_is_no_body_never_makes_the_peer_wait() -> None:
    line = Line()
    await line.ask(STREAM_HEAD)
    line.hear(b"1;")
    for _ in range(9):
        line.hear(b"x" * HIGH_WATER)
        assert not line.transport.paused
    line.hear(b"\r\n1\r\n" + LAST_CHUNK)
    assert await line.connection.chunk() == b"1"


async def test_a_head_in_many_pieces_wakes_nobody_before_it_is_whole() -> None:
    line = Line()
    asking = line.connection.ask(b"GET / HTTP/1.1\r\n\r\n")
    head = b"HTTP/1.1 100 Continue\r\n\r\n" + STREAM_HEAD
    for number in range(len(head)):
        assert not asking.done()
        line.hear(head[number : number + 1])
    assert asking.done()
    assert (line.connection.status, asking.exception()) == (200, None)


async def test_what_a_sink_raises_is_raised_once_and_nothing_more_is_given() -> None:
    line = Line(takes=2, raises=BadAnswer("enough"))
    await line.ask(STREAM_HEAD)
    pouring = await line.pour(chunk(b"1"), chunk(b"2"), chunk(b"3"), chunk(b"4"))
    with pytest.raises(BadAnswer, match="enough"):
        await pouring
    line.hear(chunk(b"5"))
    assert line.taken == [b"1", b"2"]
    assert not line.connection.release()
    assert line.transport.aborted


async def test_what_a_sink_raises_over_the_first_piece_is_raised_too() -> None:
    line = Line(takes=1, raises=ValueError("what is this"))
    await line.ask(STREAM_HEAD + chunk(b"1"))
    with pytest.raises(ValueError, match="what is this"):
        await (await line.pour(chunk(b"2")))
    line.hear(chunk(b"3"))
    assert line.taken == [b"1"]
    assert not line.connection.release()


async def test_what_a_sink_raises_over_the_last_piece_is_raised_too() -> None:
    line = Line(takes=1, raises=BadAnswer("enough"))
    await line.ask(STREAM_HEAD)
    pouring = await line.pour(chunk(b"1") + LAST_CHUNK)
    with pytest.raises(BadAnswer, match="enough"):
        await pouring


async def test_what_came_before_the_cut_is_given_and_then_the_cut_is_told() -> None:
    line = Line()
    await line.ask(STREAM_HEAD)
    pouring = await line.pour(chunk(b"1"), chunk(b"2")[:-2])
    line.connection.connection_lost(ConnectionResetError())
    with pytest.raises(CutOff):
        await pouring
    assert line.taken == [b"1", b"2"]


async def test_a_cut_behind_a_sink_that_said_no_is_told_the_next_one() -> None:
    line = Line(takes=1)
    await line.ask(STREAM_HEAD)
    pouring = await line.pour(chunk(b"1"), chunk(b"2"))
    line.connection.connection_lost(None)
    await pouring
    line.takes = 9
    with pytest.raises(CutOff):
        await (await line.pour())
    assert line.taken == [b"1", b"2"]


async def test_nonsense_behind_a_good_piece_is_told_after_it() -> None:
    line = Line()
    await line.ask(STREAM_HEAD)
    pouring = await line.pour(chunk(b"1") + b"nonsense\r\n")
    with pytest.raises(BadAnswer):
        await pouring
    assert line.taken == [b"1"]
    assert line.transport.aborted


async def test_a_body_without_length_is_whole_when_its_connection_ends() -> None:
    line = Line()
    await line.ask(CLOSE_DELIMITED_HEAD)
    pouring = await line.pour(b"1", b"2")
    line.connection.connection_lost(None)
    await pouring
    assert line.taken == [b"1", b"2"]
    assert not line.connection.release()


@pytest.mark.parametrize("more", [whole(b"second"), b"HTTP/1.1 200 OK\r\n", b"H", b"nonsense"])
@pytest.mark.parametrize("together", [True, False])
async def test_what_comes_behind_the_end_is_nobodys(more: bytes, together: bool) -> None:
    line = Line()
    await line.ask(STREAM_HEAD)
    packets = [chunk(b"1") + LAST_CHUNK + more] if together else [chunk(b"1") + LAST_CHUNK, more]
    await (await line.pour(*packets))
    assert line.taken == [b"1"]
    assert line.connection.status == 200
    assert not line.connection.release()
    assert line.transport.aborted


async def test_who_is_cancelled_takes_no_more() -> None:
    line = Line()
    await line.ask(STREAM_HEAD)
    pouring = await line.pour(chunk(b"1"))
    pouring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pouring
    line.hear(chunk(b"2"))
    assert line.taken == [b"1"]
    assert not line.connection.release()


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(st.binary(min_size=1, max_size=9), max_size=12),
    takes=st.lists(st.integers(0, 4), max_size=12),
    packets=st.integers(1, 40),
)
async def test_nothing_is_lost_or_given_twice_however_it_is_taken(
    pieces: list[bytes], takes: list[int], packets: int
) -> None:
    """`takes`: of each pouring, so many pieces; 0 asks for a chunk instead."""
    stream = b"".join(map(chunk, pieces)) + LAST_CHUNK
    step = max(1, len(stream) // packets)
    parts = [stream[at : at + step] for at in range(0, len(stream), step)]
    line = Line()
    await line.ask(STREAM_HEAD)
    for number in [*takes, 1_000_000]:
        line.takes = number
        waiting = asyncio.create_task(line.connection.chunk()) if not number else await line.pour()
        await asyncio.sleep(0)
        while not waiting.done() and parts:
            line.hear(parts.pop(0))
            if len(parts) % 3:
                await asyncio.sleep(0)
        line.taken.append(await waiting or b"")
    line.hear(*parts)
    line.taken.append(await line.connection.chunk())
    assert b"".join(line.taken) == b"".join(pieces)
    assert line.connection.release()
