"""A stream to one client: its head goes out with the first piece, its end is always said."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager

from server.core.limits import WHOLE_REQUEST_S, WRITE_STALL_S
from server.web.asgi import Header, Scope, Send
from server.web.edge import request_id_of
from server.web.patience import Patience
from server.web.relay import end_with_error
from server.worker.local.model import as_request_error


class Outlet:
    """`started`: the head is out, so an error has no status any more."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def stream(
        self,
        pieces: AsyncGenerator[bytes, None],
        limit: Patience,
        headers: Iterable[Header],
    ) -> None:
        """Send every piece, waiting for a slow client no longer than `WRITE_STALL_S` each."""
        async with aclosing(pieces):
            first = await anext(pieces)
            self.started = True
            limit.allow(WRITE_STALL_S, "client")
            await self._send(
                {"type": "http.response.start", "status": 200, "headers": list(headers)}
            )
            await self._give(first, limit)
            async for piece in pieces:
                await self._give(piece, limit)
        await self._send({"type": "http.response.body", "body": b""})

    async def _give(self, piece: bytes, limit: Patience) -> None:
        limit.allow(WRITE_STALL_S, "client")
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        limit.allow(WHOLE_REQUEST_S)


@asynccontextmanager
async def outlet(scope: Scope, send: Send) -> AsyncIterator[Outlet]:
    """An error in the block becomes an `error` event once the stream has started."""
    out = Outlet(send)
    try:
        yield out
    except Exception as error:
        if not out.started:
            raise
        request_id = request_id_of(scope)
        await end_with_error(send, as_request_error(error, request_id), request_id)
