"""One request's body and its client's leaving: ASGI's `receive`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from server.core.errors import SlowRequest, Unavailable
from server.core.limits import MAX_HELD_BYTES
from server.web.asgi import Message
from server.web.http1.line import Line
from server.web.http1.service import Service

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Incoming:
    __slots__ = (
        "_end_told", "_held", "_listener", "_parts", "_receivers", "body_due", "expects", "late",
        "left", "line", "loop", "over", "service", "unread", "whole",
    )  # fmt: skip

    def __init__(self, line: Line, service: Service, expects: bool) -> None:
        """`expects`: the client waits to be told to send the body."""
        self.line = line
        self.service = service
        self.loop = service.loop
        self.expects = expects
        self.whole = False
        """The body has been received to its end."""
        self.body_due = 0.0
        """When it must be, by the loop's clock; 0 until it is waited for."""
        self.late = False
        """It stopped coming, or only drips."""
        self.left = False
        self.over = False
        """The client has its answer, or has left; nothing is received or sent any more."""
        self.unread = 0
        self._held = 0
        """Bytes of the body that the application keeps."""
        self._parts: list[bytes] = []
        self._end_told = False
        self._receivers: list[asyncio.Future[None]] = []
        self._listener: Callable[[], None] | None = None

    async def receive(self) -> Message:
        """The body as it comes, then `http.disconnect` once the exchange is over. Raises
        `SlowRequest` when the body stops coming, or only drips."""
        while True:
            if self.over:
                return {"type": "http.disconnect"}
            if self._parts or (self.whole and not self._end_told):
                body = self._take()
                return {"type": "http.request", "body": body, "more_body": not self.whole}
            if self.late:
                raise SlowRequest("The body came too slowly.")
            await self._wait()

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
        if self.over or not self.whole or self._end_told:
            return None
        return self._take()

    @property
    def awaits_body(self) -> bool:
        return not self.whole and bool(self._receivers)

    # for the connection ------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """A piece of the body has come."""
        if self.over:
            return
        self._parts.append(data)
        self.unread += len(data)
        self.service.unread_bytes += len(data)
        if self._receivers:
            self._wake()

    def fill(self, data: bytes, *, whole: bool = True) -> None:
        """The body came together with its head, all of it or what `data` is."""
        self.whole = whole
        if data:
            self._parts.append(data)
            self.unread = len(data)
            self.service.unread_bytes += len(data)

    def end(self) -> None:
        """The body is whole."""
        self.whole = True
        if self._receivers:
            self._wake()

    def give_up(self) -> None:
        """The body comes too slowly."""
        self.late = True
        self._wake()

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
        if self._parts:
            self._drop()
        if self._receivers:
            self._wake()

    async def _wait(self) -> None:
        if self.expects:
            self.expects = False
            self.line.write(_CONTINUE)
        receiver = self.loop.create_future()
        self._receivers.append(receiver)
        if not self.whole:
            self.line.await_body()
        try:
            await receiver
        finally:
            if receiver in self._receivers:
                self._receivers.remove(receiver)

    def _take(self) -> bytes:
        """What is here of the body."""
        parts = self._parts
        self.expects = False
        self._end_told = self.whole
        if parts:
            self._drop()
            if self.line.paused:
                self.line.regulate()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _drop(self) -> None:
        self.service.unread_bytes -= self.unread
        self.unread = 0
        self._parts = []

    def _wake(self) -> None:
        receivers, self._receivers = self._receivers, []
        for receiver in receivers:
            if not receiver.done():
                receiver.set_result(None)
