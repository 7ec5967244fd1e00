"""`GET /fleet/events`: the fleet at once, after every change, and as a sign of life.

Who asks for loads alone, as gateways do, gets a line of them where nothing else has changed: soon,
and a hundredth of the whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext

from server.controller.registry import Registry
from server.core.limits import HEARTBEAT_S, LOADS_SOON_S, WRITE_STALL_S
from server.web.asgi import Receive, Scope, Send, header, until_left
from server.web.drain import Drain
from server.wire.fleet import (
    GATEWAY_ADDRESS_HEADER,
    GATEWAY_HEADER,
    LOADS_HEADER,
    GatewayView,
)

_HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/x-ndjson"),
        (b"cache-control", b"no-cache, no-transform"),
    ],
}


class Feed:
    """A subscriber that reads slowly gets the latest and no backlog.

    One that says that it is a gateway, and where, is told to the others.
    """

    def __init__(self, registry: Registry, drain: Drain) -> None:
        self._registry = registry
        self._drain = drain
        self._line = b""
        self._line_of = (-1, -1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gateway = _gateway_of(scope)
        wants_loads = header(scope, LOADS_HEADER.encode()) is not None
        with self._registry.listening(gateway) if gateway else nullcontext():
            await self._feed(receive, send, self._news() if wants_loads else self._views())

    async def _feed(self, receive: Receive, send: Send, lines: AsyncGenerator[bytes]) -> None:
        leaving = asyncio.create_task(until_left(receive))
        try:
            await send(dict(_HEAD))
            async with aclosing(lines):
                async for line in lines:
                    if leaving.done() or self._drain.begun.is_set():
                        break
                    async with asyncio.timeout(WRITE_STALL_S):
                        await send({"type": "http.response.body", "body": line, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            return  # it does not read; the server closes what was not ended
        finally:
            leaving.cancel()

    async def _views(self) -> AsyncGenerator[bytes]:
        changes = self._registry.changes
        while True:
            seen = changes.revision
            yield self._latest()
            await changes.after(seen, HEARTBEAT_S)

    async def _news(self) -> AsyncGenerator[bytes]:
        """The whole, at once, when more than loads has changed; loads, but not too often."""
        members, loads = self._registry.members, self._registry.loads
        told_of = -1
        told_loads = 0
        while True:
            seen, told_of = told_of, members.revision
            seen_loads, told_loads = told_loads, loads.changes.revision
            yield self._latest() if seen != told_of else loads.since(seen_loads)
            changed = await members.after(told_of, LOADS_SOON_S) != told_of
            if not (changed or self._drain.begun.is_set()):
                await loads.changes.after(told_loads, HEARTBEAT_S - LOADS_SOON_S)

    async def wake_at_stop(self) -> None:
        """Let the subscribers notice at once that this process stops."""
        await self._drain.begun.wait()
        self._registry.wake()

    def _latest(self) -> bytes:
        """Written once for all subscribers."""
        registry = self._registry
        line_of = (registry.changes.revision, registry.loads.changes.revision)
        if self._line_of != line_of:
            self._line_of = line_of
            self._line = registry.view().model_dump_json().encode() + b"\n"
        return self._line


def _gateway_of(scope: Scope) -> GatewayView | None:
    id = header(scope, GATEWAY_HEADER.encode())
    address = header(scope, GATEWAY_ADDRESS_HEADER.encode())
    if not id or not address:
        return None
    return GatewayView(id=id.decode("latin-1"), address=address.decode("latin-1"))
