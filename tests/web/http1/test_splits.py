"""Laws about bytes: where they are split does not matter, and none of them is our fault."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.web.http1.apps import echo
from tests.web.http1.talk import CHUNKED, GET, POST, Server, settle, sized, talk

REQUESTS = [
    GET,
    sized(b"abc"),
    sized(b""),
    sized(b"x" * 300, b"/long?" + b"q" * 50),
    b"\r\n" + GET,
    CHUNKED + b"3\r\nabc\r\n10;e=1\r\n0123456789abcdef\r\n0\r\nt: u\r\n\r\n",
    POST + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\nhi",
    POST + b"content-length: 2\r\nExpect: 200-ok\r\nX-A:  b \r\n\r\nhi",
    b"HEAD /h HTTP/1.1\r\nhost: a\r\n\r\n",
]


LAST = [
    b"",
    b"GET /last HTTP/1.0\r\n\r\n",
    b"GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\nignored",
    b"nonsense\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    CHUNKED + b"zz\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\ncontent-le",
]


def answers_to(parts: list[bytes]) -> tuple[bytes, bool]:
    async def run() -> tuple[bytes, bool]:
        client = talk(echo)
        await client.say(*parts)
        for _ in range(10):
            await settle()
        return client.said, client.transport.ended or client.transport.closing

    return asyncio.run(run())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_answers_are_the_same_wherever_the_bytes_are_split(data: st.DataObject) -> None:
    requests = data.draw(st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=6))
    stream = b"".join(requests) + data.draw(st.sampled_from(LAST))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    edges = [0, *sorted(cuts), len(stream)]
    parts = [stream[a:b] for a, b in pairwise(edges) if b > a]
    whole = answers_to([stream])
    assert whole[0].count(b"HTTP/1.1 200 OK") >= len(requests)
    assert answers_to(parts) == whole


NOISE = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([*REQUESTS, *LAST]),
    st.sampled_from([b"\r\n", b"\r", b"\n", b" ", b":", b"0\r\n\r\n", b"HTTP/1.1", b"\x00"]),
    st.sampled_from(REQUESTS).flatmap(
        lambda request: st.integers(0, len(request)).map(lambda at: request[:at])
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(NOISE, min_size=1, max_size=8))
def test_no_bytes_are_an_error_of_ours(parts: list[bytes]) -> None:
    async def run() -> None:
        server = Server(echo)
        client = server.connect()
        said = await client.say(*parts)
        assert b"HTTP/1.1 500" not in said
        await client.leave()
        assert not server.state.connections
        assert not server.state.tasks
        assert server.service.unread_bytes == 0

    asyncio.run(run())
