"""`GET /fleet/events`: the fleet at once, after every change, and as a sign of life."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

from server.controller.registry import Registry
from server.core.limits import HEARTBEAT_S, WRITE_STALL_S
from server.web.asgi import Receive, Scope, Send, header, until_left
from server.web.drain import Drain
from server.wire.fleet import GATEWAY_ADDRESS_HEADER, GATEWAY_HEADER, GatewayView

_HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/x-ndjson"),
        (b"cache-control", b"no-cache, no-transform"),
    ],
}


class Feed:
    """One view a line. A subscriber that reads slowly gets the latest and no backlog.

    A subscriber that says that it is a gateway, and where, is told to the others.
    """

    def __init__(self, registry: Registry, drain: Drain) -> None:
        self._registry = registry
        self._drain = drain
        self._line = b""
        self._line_revision = -1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gateway = _gateway_of(scope)
        with self._registry.listening(gateway) if gateway else nullcontext():
            await self._feed(receive, send)

    async def _feed(self, receive: Receive, send: Send) -> None:
        leaving = asyncio.create_task(until_left(receive))
        changes = self._registry.changes
        try:
            await send(dict(_HEAD))
            while not (leaving.done() or self._drain.begun.is_set()):
                seen = changes.revision
                async with asyncio.timeout(WRITE_STALL_S):
                    await send(
                        {"type": "http.response.body", "body": self._latest(), "more_body": True}
                    )
                await changes.after(seen, HEARTBEAT_S)
            await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            return  # it does not read; the server closes what was not ended
        finally:
            leaving.cancel()

    async def wake_at_stop(self) -> None:
        """Let the subscribers notice at once that this process stops."""
        await self._drain.begun.wait()
        self._registry.changes.wake()

    def _latest(self) -> bytes:
        """Written once for all subscribers."""
        if self._line_revision != self._registry.changes.revision:
            self._line_revision = self._registry.changes.revision
            self._line = self._registry.view().model_dump_json().encode() + b"\n"
        return self._line


def _gateway_of(scope: Scope) -> GatewayView | None:
    id = header(scope, GATEWAY_HEADER.encode())
    address = header(scope, GATEWAY_ADDRESS_HEADER.encode())
    if not id or not address:
        return None
    return GatewayView(id=id.decode("latin-1"), address=address.decode("latin-1"))
