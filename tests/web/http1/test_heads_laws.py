"""Laws about known heads: whoever talks to the server cannot tell which it knows."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.web.http1.apps import echo
from tests.web.http1.talk import CHUNKED, GET, POST, Server, settle, sized
from tests.web.http1.taught import forgetful, is_over, teach

KNOWN = [
    GET,
    GET.replace(b"GET", b"HEAD"),
    GET.replace(b"/", b"/other?q", 1),
    sized(b"abc"),
    sized(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    sized(b"x" * 300),
    POST + b"content-length: 0\r\n\r\n",
    POST + b"Content-Length: 2\r\nConnection: keep-alive\r\nX-A:  b \r\n\r\nhi",
]
OTHERS = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    CHUNKED + b"3\r\nabc\r\n0\r\nt: u\r\n\r\n",
    POST + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\nhi",
    b"GET /old HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
    b"GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    b"GET /last HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a/b\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\nconte",
]
NOISE = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b" ",
    b":",
    b"0",
    b"9",
    b"\x00",
    b"\xff",
    b"close",
    b"",
]


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A request in which a few bytes are others, or more, or fewer."""
    request = draw(st.sampled_from(KNOWN))
    at = draw(st.integers(0, len(request)))
    skipped = draw(st.integers(0, 3))
    return request[:at] + draw(st.sampled_from(NOISE)) + request[at + skipped :]


requests = st.one_of(st.sampled_from(KNOWN), st.sampled_from(OTHERS), mangled())


async def ends_of(server: Server, parts: list[bytes]) -> tuple[bytes, bool, int]:
    client = server.connect()
    await client.say(*parts)
    for _ in range(6):
        await settle()
    said, over = client.said, is_over(client)
    await client.leave()
    return said, over, server.service.unread_bytes


@settings(max_examples=250, deadline=None)
@given(st.lists(requests, min_size=1, max_size=6), st.lists(st.integers(0, 10**6), max_size=8))
@example([b"\r\n\r\n", GET], [4])
@example([sized(b"abc"), sized(b"abc")], [62, 63, 64])
def test_a_server_that_knows_the_heads_answers_as_one_that_does_not(
    said: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(said)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    parts = [stream[a:b] for a, b in pairwise(edges) if b > a]

    async def run() -> None:
        knowing = await teach(Server(echo), *KNOWN, *said, stream)
        for _ in range(2):  # whatever of this can be learnt is
            await ends_of(knowing, parts)
        assert await ends_of(knowing, parts) == await ends_of(forgetful(), parts)
        assert not knowing.state.tasks

    asyncio.run(run())
