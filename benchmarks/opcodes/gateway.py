"""A gateway, its upstream and its client in one event loop, so that one tracer sees it all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvicorn
from pydantic import SecretStr
from uvicorn.server import ServerState

from benchmarks.gateway.answers import MODEL, request_body
from benchmarks.gateway.messages import Ask
from benchmarks.gateway.upstream import Upstream
from server.core.clock import SystemClock
from server.core.settings import GatewaySettings
from server.gateway.app import edge_of
from server.gateway.parts import Parts
from server.web.drain import Drain
from server.web.http1.connection import Connection
from server.wire.fleet import FleetView, WorkerView
from server.wire.process import GatewayProcess

KEY = "opcodes-are-counted-with-a-key"
SLOTS = 64
_HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\naccept: application/json\r\n"
    b"content-type: application/json\r\nuser-agent: benchmark\r\nauthorization: Bearer %b\r\n"
    b"content-length: %d\r\n\r\n"
)
_END_OF_HEAD = b"\r\n\r\n"
_END_OF_STREAM = b"\r\n0\r\n\r\n"


@asynccontextmanager
async def asked(ask: Ask) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """What sends one request through the gateway and reads its answer. Raises `RuntimeError` in
    the block for an answer that is no 200."""
    loop = asyncio.get_running_loop()
    upstream = await loop.create_server(Upstream, "127.0.0.1", 0)
    config, parts = _gateway(upstream.sockets[0].getsockname()[1])
    state = ServerState()
    server = await loop.create_server(lambda: Connection(config, state, {}), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = request_body(ask)
    message = _HEAD % (port, KEY.encode(), len(body)) + body

    async def once() -> None:
        writer.write(message)
        head = await reader.readuntil(_END_OF_HEAD)
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(head.decode("latin-1"))
        if ask.stream:
            await reader.readuntil(_END_OF_STREAM)
        else:
            length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))

    try:
        yield once
    finally:
        writer.close()
        server.close()
        upstream.close()
        await parts.aclose()


def _gateway(upstream_port: int) -> tuple[uvicorn.Config, Parts]:
    settings = GatewayProcess(
        name="openai_api",
        secret=SecretStr("no controller is there to hear it"),
        controller_url="http://127.0.0.1:9",
        gateway=GatewaySettings(api_keys=(SecretStr(KEY),)),
    )
    drain, clock = Drain(), SystemClock()
    parts = Parts(settings, drain, "", clock)
    worker = WorkerView(
        address=f"http://127.0.0.1:{upstream_port}", generation="g", models=(MODEL,), slots=SLOTS
    )
    parts.fleet.apply(FleetView(controller="c", settled=True, workers=(worker,)))
    app = edge_of(parts, settings, drain, clock)
    return uvicorn.Config(
        app, interface="asgi3", http=Connection, ws="none", log_config=None, access_log=False
    ), parts
