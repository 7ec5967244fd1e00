"""One connection to an application, without a network: bytes in, bytes out, turn by turn."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from server.web.asgi import ASGIApp
from server.web.http1.connection import Connection
from server.web.http1.service import Service, service_of
from tests.fakes.transport import FakeTransport

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nhost: a\r\n"
"""Without the end of its head."""
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"


def sized(body: bytes, path: bytes = b"/p") -> bytes:
    return b"POST %b HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (path, len(body), body)


@dataclass
class Server:
    """What `uvicorn.Server` gives its connections."""

    app: ASGIApp
    root_path: str = ""
    app_state: dict[str, Any] = field(default_factory=dict)
    state: ServerState = field(default_factory=ServerState)

    def __post_init__(self) -> None:
        self.config = uvicorn.Config(
            self.app,
            interface="asgi3",
            log_config=None,
            proxy_headers=False,
            timeout_keep_alive=75,
            root_path=self.root_path,
        )

    @property
    def service(self) -> Service:
        return service_of(self.config, self.state, self.app_state)

    def connect(self) -> Talk:
        protocol = Connection(self.config, self.state, self.app_state)
        transport = FakeTransport(protocol)
        protocol.connection_made(transport)
        return Talk(protocol, transport)


class Talk:
    def __init__(self, protocol: Connection, transport: FakeTransport) -> None:
        self.protocol = protocol
        self.transport = transport

    @property
    def said(self) -> bytes:
        """All that the server has said."""
        return self.transport.sent

    async def say(self, *parts: bytes) -> bytes:
        """Send the parts, one each turn, and all that the server has said by then."""
        for part in parts:
            if part and not self.transport.closing:
                self.protocol.data_received(part)
            await asyncio.sleep(0)
        await settle()
        return self.said

    async def leave(self) -> None:
        self.protocol.eof_received()
        self.transport.close()
        await settle()


async def settle() -> None:
    """Give everything that is ready a few turns."""
    for _ in range(12):
        await asyncio.sleep(0)


def talk(app: ASGIApp) -> Talk:
    return Server(app).connect()


def bodies(said: bytes) -> list[bytes]:
    """Of several answers that have a length."""
    found = []
    while said:
        head, _, said = said.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        found.append(said[:length])
        said = said[length:]
    return found


def echoed(said: bytes) -> list[Any]:
    """What `apps.echo` says in each of its answers."""
    return [json.loads(body) for body in bodies(said)]


def refused(said: bytes) -> tuple[int, str]:
    """Status and code of the one answer."""
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"\r\nconnection: close\r\n" in head
    assert b"\r\ncontent-length: %d" % len(body) in head
    return int(head.split()[1]), json.loads(body)["error"]["code"]
