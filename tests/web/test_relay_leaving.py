"""Streams that end because somebody leaves, is silent, or breaks."""

from __future__ import annotations

import asyncio

import pytest

from server.core.errors import RequestError, UpstreamTimeout
from server.web import relay
from server.web.asgi import ClientLeft
from tests.web.passing import Passing, event, events


@pytest.mark.parametrize("is_blocked", [True, False])
async def test_when_the_client_leaves_the_upstream_is_left_too(is_blocked: bool) -> None:
    passing = Passing()
    client = await passing.begin(events(b"one"))
    if is_blocked:
        client.protocol.pause_writing()
        await passing.hear(events(b"two"))
    await client.leave()
    assert isinstance(passing.error, ClientLeft)
    assert passing.transport.aborted
    assert b"".join(passing.seen) == event(b"one")


async def test_steady_events_are_never_late_and_silence_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "BETWEEN_TOKENS_S", 0.06)
    passing = Passing()
    await passing.begin(events(b"0"))
    for number in range(8):
        await asyncio.sleep(0.02)
        await passing.hear(events(b"%d" % number))
    assert passing.error is None
    await asyncio.sleep(0.12)
    assert isinstance(passing.error, UpstreamTimeout)
    assert passing.code == "upstream_timeout"


async def test_a_client_that_reads_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "WRITE_STALL_S", 0.05)
    passing = Passing()
    client = await passing.begin(events(b"0"))
    client.protocol.pause_writing()
    await passing.hear(events(b"1"))
    await asyncio.sleep(0.1)
    assert isinstance(passing.error, ClientLeft)
    assert passing.transport.aborted


async def test_what_breaks_in_a_change_ends_the_stream_and_leaves_the_upstream() -> None:
    def change(said: bytes) -> bytes:
        if b"bad" in said:
            raise RequestError("cannot")
        return said

    passing = Passing(change)
    await passing.begin(events(b"one"))
    await passing.hear(events(b"bad"), events(b"two"))
    assert passing.seen == [event(b"one")]
    assert isinstance(passing.error, RequestError)
    assert passing.transport.aborted
