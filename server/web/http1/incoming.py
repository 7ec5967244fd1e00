"""One request's body and its client's leaving: ASGI's `receive`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from server.core.errors import SlowRequest, Unavailable
from server.core.limits import MAX_HELD_BYTES
from server.web.asgi import Message
from server.web.http1.line import Line
from server.web.http1.pieces import Pieces
from server.web.http1.service import Service


class Incoming:
    """What an `Exchange` receives. It sets all of this itself: a call less for each request."""

    __slots__ = (
        "_body", "_held", "_listener", "left", "line", "loop", "over", "pieces", "service",
    )  # fmt: skip

    line: Line
    service: Service
    loop: asyncio.AbstractEventLoop
    left: bool
    over: bool
    """The client has its answer, or has left; nothing is received or sent any more."""
    pieces: Pieces | None
    """Of a body that did not come whole together with its head."""
    _body: bytes | None
    """One that did, until it is taken."""
    _held: int
    """Bytes of the body that the application keeps."""
    _listener: Callable[[], None] | None

    async def receive(self) -> Message:
        """The body as it comes, then `http.disconnect` once the exchange is over. Raises
        `SlowRequest` when the body stops coming, or only drips."""
        pieces = self.pieces
        if pieces is None:
            body = self.take_body()
            if body is not None:
                return {"type": "http.request", "body": body, "more_body": False}
            pieces = self.pieces = Pieces(self.line, self.service, taken=True)
        while not self.over:
            if pieces.has_news:
                body = pieces.take()
                return {"type": "http.request", "body": body, "more_body": not pieces.whole}
            if pieces.late:
                raise SlowRequest("The body came too slowly.")
            await pieces.wait()
        return {"type": "http.disconnect"}

    def listen(self, listener: Callable[[], None] | None) -> None:
        """As `web.asgi.Served` says."""
        self._listener = listener
        if self.left and listener is not None:
            listener()

    def hold(self, size: int) -> None:
        """As `web.asgi.Served` says."""
        if self.over:
            return
        self._held += size
        self.service.held_bytes += size
        if self.service.held_bytes > MAX_HELD_BYTES:
            raise Unavailable("Too much is being sent here at once; try again.", retry_after_s=1)

    def take_body(self) -> bytes | None:
        """As `web.asgi.Served` says."""
        body = self._body
        if body is not None:
            self._body = None
            self.service.unread_bytes -= len(body)
            if self.line.paused:
                self.line.regulate()
        elif self.pieces is not None and self.pieces.rest_is_here and not self.over:
            body = self.pieces.take()
        return body

    # for the connection ------------------------------------------------------------------------

    def leave(self) -> None:
        """The client has left, or must."""
        self.left = True
        self.close()
        if self._listener is not None:
            self._listener()

    def close(self) -> None:
        """The exchange is over."""
        self.over = True
        if self._held:
            self.service.held_bytes -= self._held
            self._held = 0
        if self._body is not None:
            self.service.unread_bytes -= len(self._body)
            self._body = None
        if self.pieces is not None:
            self.pieces.drop()
            self.pieces.wake()
