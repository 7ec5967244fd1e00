from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from server.web.asgi import Message, Receive, Scope, Send, send_json
from server.web.lifespan import with_lifespan
from server.web.process import Remembering
from tests.fakes.live_server import live_server
from tests.fakes.raw_client import raw_client
from tests.web.http1.talk import GET


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await send_json(send, {"path": scope["path"]})


async def test_a_life_begins_before_the_first_request_and_ends_after_the_last() -> None:
    told: list[str] = []

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        told.append("begins")
        yield
        told.append("ends")

    for outer in (with_lifespan(app, life), Remembering(with_lifespan(app, life))):
        told.clear()
        async with live_server(outer) as url, raw_client(url) as client:
            assert told == ["begins"]
            client.say(GET)
            assert (await client.answer()).body == b'{"path":"/"}'
        assert told == ["begins", "ends"]


async def test_a_life_that_cannot_begin_says_why() -> None:
    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        raise ValueError("no disk")
        yield

    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        sent.append(message)

    outer = Remembering(with_lifespan(app, life))
    with pytest.raises(ValueError, match="no disk"):
        await outer({"type": "lifespan"}, receive, send)
    assert sent == [{"type": "lifespan.startup.failed", "message": "no disk"}]
    assert isinstance(outer.failure, ValueError)


def test_a_server_asks_the_application_itself() -> None:
    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        yield

    assert Remembering(with_lifespan(app, life)).serves is app
    assert Remembering(app).serves is app
