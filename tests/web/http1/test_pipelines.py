"""Requests that come before it is their turn, and the last one of a connection."""

from __future__ import annotations

import pytest

from server.core.limits import MAX_PIPELINED, UNREAD_BYTES
from tests.web.http1.apps import Stage, echo
from tests.web.http1.talk import GET, bodies, echoed, refused, settle, sized, talk


async def test_pipelined_requests_are_answered_in_order() -> None:
    client = talk(echo)
    said = await client.say(b"".join(sized(b"%d" % n, b"/%d" % n) for n in range(5)))
    assert [(one["path"], one["body"]) for one in echoed(said)] == [
        (f"/{n}", str(n)) for n in range(5)
    ]


async def test_a_pipelined_request_waits_for_the_answer_before_it() -> None:
    stage = Stage()
    client = talk(stage.waiting)
    assert await client.say(GET.replace(b"/", b"/1", 1) + GET.replace(b"/", b"/2", 1)) == b""
    for number in range(3, 6):  # not looked at before the queue is empty
        await client.say(GET.replace(b"/", b"/%d" % number, 1))
    assert client.said == b""
    stage.go.set()
    await settle()
    assert bodies(client.said) == [b"/1", b"/2", b"/3", b"/4", b"/5"]


async def test_who_pipelines_too_much_has_to_wait_and_is_answered() -> None:
    stage = Stage()
    client = talk(stage.waiting)
    await client.say(GET + GET)
    surplus = UNREAD_BYTES // len(GET) + 1
    await client.say(GET * surplus)
    assert client.transport.paused
    stage.go.set()
    for _ in range(surplus):
        await settle()
    assert bodies(client.said) == [b"/"] * (surplus + 2)
    assert not client.transport.paused


async def test_more_requests_at_once_than_are_kept_are_answered_as_far_as_they_are() -> None:
    client = talk(echo)
    await client.say(GET * (MAX_PIPELINED + 5))
    for _ in range(MAX_PIPELINED // 4):
        await settle()
    said = client.said
    assert said.count(b"HTTP/1.1 200 OK") == MAX_PIPELINED + 1
    assert refused(said[said.index(b"HTTP/1.1 503") :]) == (503, "too_many_connections")
    assert client.transport.ended


async def test_what_follows_the_last_request_is_ignored() -> None:
    client = talk(echo)
    said = await client.say(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n" + GET + b"?")
    assert len(echoed(said)) == 1
    assert client.transport.closing


@pytest.mark.parametrize("behind", [b"", GET, GET + GET[:-1]])
async def test_a_server_that_ends_answers_what_is_under_way_and_nothing_after_it(
    behind: bytes,
) -> None:
    stage = Stage()
    client = talk(stage.waiting)
    await client.say(GET + behind)
    client.protocol.shutdown()
    await client.say(GET)
    stage.go.set()
    await settle()
    assert bodies(client.said) == [b"/"]
    assert b"\r\nconnection: close\r\n" in client.said
    assert client.transport.closing or client.transport.ended


async def test_a_server_that_ends_closes_who_waits_for_nothing() -> None:
    client = talk(echo)
    await client.say(GET)
    client.protocol.shutdown()
    said = client.said
    assert client.transport.closing
    assert await client.say(GET) == said
