"""A request's body that comes in pieces: those that are here, and who waits for more of them."""

from __future__ import annotations

import asyncio

from server.web.http1.line import Line
from server.web.http1.service import Service

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Pieces:
    __slots__ = (
        "_end_told", "_here", "_line", "_receivers", "_service", "due", "expects", "late", "unread",
        "whole",
    )  # fmt: skip

    def __init__(
        self,
        line: Line,
        service: Service,
        first: bytes = b"",
        *,
        expects: bool = False,
        taken: bool = False,
    ) -> None:
        """`expects`: the client waits to be told to send the body; `taken`: there is no more of it,
        only somebody who waits until the exchange is over."""
        self._line = line
        self._service = service
        self.expects = expects
        self.whole = self._end_told = taken
        """The body has been received to its end; the application knows."""
        self.due = 0.0
        """When it must be whole, by the loop's clock; 0 until it is waited for."""
        self.late = False
        """It stopped coming, or only drips."""
        self.unread = 0
        self._here: list[bytes] = []
        self._receivers: list[asyncio.Future[None]] = []
        if first:
            self.feed(first)

    @property
    def has_news(self) -> bool:
        """Whether there is something to `take`, if only that the body is whole."""
        return bool(self._here) or self.rest_is_here

    @property
    def rest_is_here(self) -> bool:
        """Whether `take` gives all that was not taken yet."""
        return self.whole and not self._end_told

    @property
    def is_awaited(self) -> bool:
        return not self.whole and bool(self._receivers)

    def feed(self, data: bytes) -> None:
        """One more has come."""
        self._here.append(data)
        self.unread += len(data)
        self._service.unread_bytes += len(data)
        self.wake()

    def end(self) -> None:
        """The body is whole."""
        self.whole = True
        self.wake()

    def give_up(self) -> None:
        """The body comes too slowly."""
        self.late = True
        self.wake()

    def take(self) -> bytes:
        """What is here of the body."""
        here = self._here
        self.expects = False
        self._end_told = self.whole
        if here:
            self.drop()
            if self._line.paused:
                self._line.regulate()
        return here[0] if len(here) == 1 else b"".join(here)

    def drop(self) -> None:
        """Nobody will take what is here."""
        self._service.unread_bytes -= self.unread
        self.unread = 0
        self._here = []

    async def wait(self) -> None:
        """Until more has come, or it is over."""
        if self.expects:
            self.expects = False
            self._line.write(_CONTINUE)
        receiver = self._service.loop.create_future()
        self._receivers.append(receiver)
        if not self.whole:
            self._line.await_body()
        try:
            await receiver
        finally:
            if receiver in self._receivers:
                self._receivers.remove(receiver)

    def wake(self) -> None:
        receivers, self._receivers = self._receivers, []
        for receiver in receivers:
            if not receiver.done():
                receiver.set_result(None)
