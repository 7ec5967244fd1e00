"""One request and its answer, with no network: what becomes of it and of its connection."""

from __future__ import annotations

import asyncio

import pytest

from server.clients.connection import Connection
from server.clients.http import Answer, Pool
from server.clients.origin import Origin
from server.core.errors import ConnectFailed, CutOff
from tests.fakes.transport import FakeTransport
from tests.fakes.upstream import CLOSE_DELIMITED_HEAD, LAST_CHUNK, STREAM_HEAD, chunk, whole


class Lines:
    """Connections to one origin, the newest last. `refuse`: there are no more."""

    def __init__(self) -> None:
        self.pool = Pool(Origin("worker", 80), self._connect, ask_again=True)
        self.connections: list[Connection] = []
        self.transports: list[FakeTransport] = []
        self.refuse = False

    async def _connect(self, origin: Origin) -> Connection:
        if self.refuse:
            raise ConnectFailed("refused")
        connection = Connection(asyncio.get_running_loop())
        self.connections.append(connection)
        self.transports.append(FakeTransport(connection))
        connection.connection_made(self.transports[-1])
        return connection

    async def begin(self, *packets: bytes) -> Answer:
        """One more request, and what is said on the newest connection before its head is looked
        at."""
        beginning = await self.ask()
        for packet in packets:
            self.connections[-1].data_received(packet)
        return await beginning

    async def ask(self, answer: Answer | None = None) -> asyncio.Task[Answer]:
        """It has been sent."""
        entering = asyncio.create_task((answer or self.pool.request(b"/")).__aenter__())
        await asyncio.sleep(0)
        return entering

    @property
    def sent(self) -> list[int]:
        """Requests, on each connection."""
        return [len(transport.writes) for transport in self.transports]

    @property
    def aborted(self) -> list[bool]:
        return [transport.aborted for transport in self.transports]


async def test_what_came_with_its_head_is_taken_at_once() -> None:
    lines = Lines()
    answer = await lines.begin(whole(b"all of it"))
    assert not answer.ended
    assert answer.take_whole() == b"all of it"
    assert answer.ended
    assert (answer.take_whole(), await answer.chunk()) == (b"", b"")
    await answer.__aexit__()
    assert lines.pool.take_idle() is lines.connections[0]


async def test_half_a_body_is_not_taken_for_a_whole_one() -> None:
    lines = Lines()
    answer = await lines.begin(STREAM_HEAD + chunk(b"one"))
    assert answer.take_whole() is None
    lines.connections[0].data_received(chunk(b"two"))
    assert answer.take_whole() is None
    lines.connections[0].data_received(LAST_CHUNK)
    assert answer.take_whole() == b"onetwo"


async def test_a_body_without_length_is_whole_when_its_connection_has_ended() -> None:
    lines = Lines()
    answer = await lines.begin(CLOSE_DELIMITED_HEAD + b"one")
    assert answer.take_whole() is None
    lines.connections[0].connection_lost(None)
    assert answer.take_whole() == b"one"
    await answer.__aexit__()
    assert lines.pool.take_idle() is None


async def test_a_body_that_was_cut_off_is_never_whole() -> None:
    lines = Lines()
    answer = await lines.begin(whole(b"all of it")[:-1])
    lines.connections[0].connection_lost(None)
    assert answer.take_whole() is None
    assert await answer.chunk() == b"all of i"
    with pytest.raises(CutOff):
        await answer.chunk()


async def test_whose_block_has_ended_has_no_part_in_what_comes_next() -> None:
    lines = Lines()
    first = await lines.begin(whole(b"first"))
    assert first.take_whole() == b"first"
    await first.__aexit__()
    second = await lines.begin(whole(b"second"))
    assert lines.sent == [2]
    for use in (first.take_whole, first.chunk, lambda: first.pour(lambda _: True)):
        with pytest.raises(AssertionError):
            use()
    with pytest.raises(AssertionError):
        assert first.ended
    first.abort()
    assert lines.aborted == [False]
    assert second.take_whole() == b"second"


async def test_who_is_cancelled_as_the_whole_answer_comes_leaves_no_connection_behind() -> None:
    lines = Lines()
    for kept in (False, True):
        if kept:
            answer = await lines.begin(whole(b""))
            await answer.__aexit__()
        beginning = await lines.ask()
        lines.connections[-1].data_received(whole(b""))
        beginning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await beginning
        assert lines.aborted[-1]
        assert lines.pool.take_idle() is None
    assert lines.sent == [1, 2]


async def test_what_was_given_up_before_it_began_leaves_a_kept_connection_to_others() -> None:
    lines = Lines()
    answer = await lines.begin(whole(b""))
    await answer.__aexit__()
    unwanted = lines.pool.request(b"/")
    unwanted.abort()
    with pytest.raises(CutOff):
        await unwanted.__aenter__()
    assert lines.sent == [1]
    assert lines.pool.take_idle() is lines.connections[0]


async def test_what_is_given_up_while_it_connects_is_not_sent() -> None:
    lines = Lines()
    answer = lines.pool.request(b"/")
    connect = lines.pool._connect

    async def slowly(origin: Origin) -> Connection:
        await asyncio.sleep(0)
        return await connect(origin)

    lines.pool._connect = slowly
    beginning = await lines.ask(answer)
    answer.abort()
    with pytest.raises(CutOff):
        await beginning
    assert (lines.sent, lines.aborted) == ([0], [True])


async def test_a_kept_connection_that_breaks_is_the_cause_when_there_is_no_other() -> None:
    lines = Lines()
    answer = await lines.begin(whole(b""))
    await answer.__aexit__()
    beginning = await lines.ask()
    lines.refuse = True
    lines.connections[0].connection_lost(None)
    with pytest.raises(CutOff):
        await beginning
    assert lines.sent == [2]


async def test_a_kept_connection_that_breaks_in_mid_head_is_not_asked_again_elsewhere() -> None:
    lines = Lines()
    answer = await lines.begin(whole(b""))
    await answer.__aexit__()
    beginning = await lines.ask()
    lines.connections[0].data_received(b"HTTP/1.1 200 OK\r\ndate: now\r\nx")
    lines.connections[0].connection_lost(None)
    with pytest.raises(CutOff):
        await beginning
    assert lines.sent == [2]


async def test_an_answer_that_comes_while_its_request_is_being_sent_is_the_last_one_there() -> None:
    lines = Lines()
    beginning = await lines.ask()
    lines.connections[0].pause_writing()
    lines.connections[0].data_received(whole(b"too large", "413 Content Too Large"))
    answer = await beginning
    assert (answer.status, answer.take_whole()) == (413, b"too large")
    await answer.__aexit__()
    assert lines.aborted == [True]
    assert lines.pool.take_idle() is None


async def test_an_answer_to_a_request_that_took_long_to_send_is_not() -> None:
    lines = Lines()
    beginning = await lines.ask()
    lines.connections[0].pause_writing()
    lines.connections[0].resume_writing()
    lines.connections[0].data_received(whole(b"ok"))
    answer = await beginning
    assert answer.take_whole() == b"ok"
    await answer.__aexit__()
    assert lines.pool.take_idle() is lines.connections[0]
