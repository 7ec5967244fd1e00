"""Bodies that are kept until they are answered: bounded over all clients."""

from __future__ import annotations

import asyncio

import pytest

from server.core.errors import Unavailable
from server.core.limits import SMALL_BODY_BYTES
from server.web.asgi import Receive, Scope, Send, read_body, send_json, send_problem
from tests.web.http1.talk import Server, settle, sized

HALF = b"x" * SMALL_BODY_BYTES
MOST = 100 * SMALL_BODY_BYTES


async def keeping(scope: Scope, receive: Receive, send: Send) -> None:
    """Keeps the body until it may answer."""
    try:
        body = await read_body(scope, receive, MOST)
    except Unavailable as error:
        await send_problem(send, error, None)
        return
    go: asyncio.Event = scope["state"]["go"]
    await go.wait()
    await send_json(send, len(body))


@pytest.mark.parametrize("split", [True, False])
async def test_who_brings_more_than_can_be_kept_is_refused(
    split: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.web.http1.incoming.MAX_HELD_BYTES", 5 * SMALL_BODY_BYTES)
    go = asyncio.Event()
    server = Server(keeping, app_state={"go": go})
    clients = [server.connect() for _ in range(3)]
    message = sized(HALF + HALF + b"!")
    for client in clients:
        if split:
            await client.say(message[: -len(HALF)])
            await client.say(message[-len(HALF) :])
        else:
            await client.say(message)
    assert [b"503 Service" in client.said for client in clients] == [False, False, True]
    assert b"retry-after: 1" in clients[2].said
    go.set()
    await settle()
    assert [client.said.endswith(b"%d" % (2 * len(HALF) + 1)) for client in clients[:2]] == [
        True
    ] * 2
    assert server.service.held_bytes == 0
    late = server.connect()
    assert b"200 OK" in await late.say(message)


async def test_what_a_client_leaves_behind_is_kept_no_more() -> None:
    server = Server(keeping, app_state={"go": asyncio.Event()})
    client = server.connect()
    await client.say(sized(HALF + HALF))
    assert server.service.held_bytes == 2 * len(HALF)
    await client.leave()
    assert server.service.held_bytes == 0


async def test_small_bodies_are_not_counted() -> None:
    server = Server(keeping, app_state={"go": asyncio.Event()})
    await server.connect().say(sized(b"small"))
    assert server.service.held_bytes == 0
