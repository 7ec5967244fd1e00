"""Which requests become sockets."""

from __future__ import annotations

import pytest
from websockets.frames import Opcode

from tests.fakes.loops import on_both_loops
from tests.fakes.waiting import until
from tests.web.websocket.echo import HANDSHAKE, raw, sent, serving

pytestmark = on_both_loops


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"version: 13", b"version: 8"),
        (b"AQIDBAUGBwgJCgsMDQ4PEA==", b"AQID"),
        (b"AQIDBAUGBwgJCgsMDQ4PEA==", b"!"),
        (b"\r\n\r\n", b"\r\ncontent-length: 2\r\n\r\n"),
    ],
)
async def test_a_handshake_that_is_none_is_refused(old: bytes, new: bytes) -> None:
    async with serving() as (app, url), raw(url) as (reader, writer):
        writer.write(HANDSHAKE.replace(old, new))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert (b"sec-websocket-version: 13" in head) == (b"length" not in new)
        assert app.sockets == []


async def test_who_does_not_wait_for_the_answer_is_refused() -> None:
    early = sent(Opcode.TEXT, b"x")
    async with serving() as (app, url), raw(url) as (reader, writer):
        writer.write(HANDSHAKE + early)
        said = await reader.read()
        assert b" 101 " not in said
        assert app.left == len(app.sockets) == 0


@pytest.mark.parametrize(
    ("old", "new"), [(b"websocket\r\n", b"h2c\r\n"), (b"GET", b"POST"), (b"P/1.1", b"P/1.0")]
)
async def test_other_wishes_are_answered_plainly(old: bytes, new: bytes) -> None:
    async with serving() as (app, url), raw(url) as (reader, writer):
        writer.write(HANDSHAKE.replace(old, new, 1))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert app.sockets == []


async def test_an_upgrade_may_wait_behind_another_request() -> None:
    async with serving() as (app, url), raw(url) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" + HANDSHAKE)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(18) == b'{"upgraded":false}'
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        writer.write(sent(Opcode.TEXT, b"x"))
        assert await reader.readexactly(5) == b"\x81\x031 x"
        writer.close()
        await until(lambda: app.left == 1)
        await until(lambda: not app.sockets[0]._service.connections)
