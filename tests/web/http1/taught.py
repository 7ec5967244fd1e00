"""Servers that know heads, and one that never does: nobody may be able to tell them apart."""

from __future__ import annotations

from server.web.asgi import ASGIApp
from server.web.http1.heads import Head, Heads
from tests.web.http1.apps import echo
from tests.web.http1.talk import Server, Talk


class NoHeads(Heads):
    """Every head is read each time."""

    def keep(self, text: bytes, head: Head) -> None:
        pass


def forgetful(app: ASGIApp = echo) -> Server:
    server = Server(app)
    server.service.heads = NoHeads()
    return server


async def teach(server: Server, *requests: bytes) -> Server:
    """Say each of these, each on a connection of its own, until it is known, if it ever is."""
    for request in requests * 3:
        client = server.connect()
        await client.say(request)
        await client.leave()
    return server


async def taught(*requests: bytes, app: ASGIApp = echo) -> Server:
    return await teach(Server(app), *requests)


def knows(server: Server, request: bytes) -> bool:
    """Whether any beginning of it passes for a known head."""
    return any(server.service.heads.find(request[:end]) for end in range(len(request) + 1))


def is_over(client: Talk) -> bool:
    """Whether the server says no more."""
    return client.transport.closing or client.transport.ended
