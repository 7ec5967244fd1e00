"""Laws about answers: nobody can tell in which packets one came."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.clients.connection import Connection, Header
from server.clients.http import Answer, Pool
from server.clients.origin import Origin
from server.core.errors import TransportError
from tests.fakes.transport import FakeTransport
from tests.fakes.upstream import CLOSE_DELIMITED_HEAD, LAST_CHUNK, STREAM_HEAD, chunk, whole

ANSWERS = [
    whole(b"all of it"),
    whole(b""),
    whole(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno"),
    whole(b"{}", "503 Service Unavailable", "Retry-After: 3"),
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
    b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold",
    b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n" + whole(b"late"),
    CLOSE_DELIMITED_HEAD + b"until it closes",
    STREAM_HEAD + chunk(b"one") + chunk(b"two") + LAST_CHUNK,
    STREAM_HEAD + b"2;a=b\r\nhi\r\n0\r\nx: y\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 600 What\r\ncontent-length: 0\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
]
NOISE = [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b":", b"0", b"9", b"\x00", b"\xff", b"H", b""]
Outcome = tuple[int, list[Header], bytes, type[Exception] | None]


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """An answer in which a few bytes are others, or more, or fewer."""
    answer = draw(st.sampled_from(ANSWERS))
    at = draw(st.integers(0, len(answer)))
    skipped = draw(st.integers(0, 3))
    return answer[:at] + draw(st.sampled_from(NOISE)) + answer[at + skipped :]


class Line:
    """One connection, which says its packets and then ends."""

    def __init__(self, packets: list[bytes]) -> None:
        self.packets = packets
        self.connection = Connection(asyncio.get_running_loop())
        self.transport = FakeTransport(self.connection)
        self.connection.connection_made(self.transport)
        self.pool = Pool(Origin("worker", 80), self._connect, ask_again=False)

    async def _connect(self, origin: Origin) -> Connection:
        return self.connection

    async def speak(self) -> None:
        """A turn of the loop for each packet."""
        for packet in self.packets:
            if self.transport.closing:
                return
            self.connection.data_received(packet)
            await asyncio.sleep(0)
        self.transport.close()

    async def outcome(self, *, at_once: bool) -> Outcome:
        """`at_once`: what is whole is taken as a whole, as often as anything is awaited."""
        answer, body = self.pool.request(b"/"), b""
        asking = asyncio.create_task(answer.__aenter__())
        await asyncio.sleep(0)
        speaking = asyncio.create_task(self.speak())
        error: type[Exception] | None = None
        try:
            await asking
            while not answer.ended:
                body += (at_once and answer.take_whole()) or await answer.chunk()
        except TransportError as failure:
            error = type(failure)
        await speaking
        return self.connection.status, _kept(answer), body, error


def _kept(answer: Answer) -> list[Header]:
    return list(answer.headers) if hasattr(answer, "headers") else []


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.sampled_from(ANSWERS), mangled()),
    st.lists(st.integers(0, 10**6), max_size=8),
    st.booleans(),
)
@example(ANSWERS[0] + b"\r\n", [63], True)
@example(ANSWERS[10] + b"\r\n", [1], True)
def test_an_answer_is_the_same_in_whatever_packets_it_comes(
    said: bytes, cuts: list[int], at_once: bool
) -> None:
    edges = [0, *sorted(cut % (len(said) + 1) for cut in cuts), len(said)]
    parts = [said[a:b] for a, b in pairwise(edges) if b > a]

    async def run() -> None:
        expected = await Line([said]).outcome(at_once=False)
        assert await Line(parts).outcome(at_once=at_once) == expected

    asyncio.run(run())
