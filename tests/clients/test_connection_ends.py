"""How an answer without a length ends, and what may follow the last chunk of another one."""

from __future__ import annotations

import asyncio

import pytest

from server.core.errors import CutOff
from tests.clients.test_connection import Line
from tests.fakes.upstream import CLOSE_DELIMITED_HEAD, STREAM_HEAD, chunk


@pytest.mark.parametrize("taken", [False, True], ids=["waiting", "taken"])
async def test_a_body_without_length_is_not_whole_when_its_peer_crashes(taken: bool) -> None:
    line = Line()
    await line.ask(CLOSE_DELIMITED_HEAD, b"half")
    if taken:
        assert await line.connection.chunk() == b"half"
    line.connection.connection_lost(ConnectionResetError())
    assert not line.connection.ended
    if not taken:
        assert await line.connection.chunk() == b"half"
    with pytest.raises(CutOff):
        await line.connection.chunk()


async def test_a_body_without_length_is_not_whole_because_we_hang_up() -> None:
    line = Line()
    await line.ask(CLOSE_DELIMITED_HEAD, b"half")
    assert await line.connection.chunk() == b"half"
    waiting = asyncio.create_task(line.connection.chunk())
    await asyncio.sleep(0)
    line.connection.abort()
    with pytest.raises(CutOff):
        await waiting
    assert not line.connection.ended


async def test_trailers_are_no_headers_and_none_of_them_is_kept() -> None:
    line = Line()
    await line.ask(STREAM_HEAD)
    said = list(line.connection.headers)
    line.hear(chunk(b"1"), b"0\r\n", b"content-type: text/html\r\n", b"x: y\r\n" * 10_000, b"\r\n")
    assert line.connection.headers == said
    assert line.connection.take() == b"1"
    assert line.connection.release()
