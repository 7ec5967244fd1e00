"""One client's socket: its messages, at the pace of the slower side, its pings and its end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from server.core.limits import (
    BODY_S,
    LINGER_S,
    MAX_HELD_BYTES,
    MAX_PIPELINED,
    SOCKET_PING_S,
    SOCKET_SILENT_S,
    WRITE_STALL_S,
)
from server.web.http1.channel import Channel
from server.web.http1.service import Service
from server.web.websocket.frames import (
    CLOSE,
    GOING_AWAY,
    NO_CODE,
    NORMAL,
    PART,
    PING,
    POLICY,
    PONG,
    SWAMPED,
    TEXT,
    Broken,
    Frames,
    Message,
    closing,
    code_of,
    framed,
)

_ENDING: Final = "This server is shutting down."
_FRAMES_AT_ONCE: Final = 256
"""Less than a millisecond's."""


class Socket(Channel):
    """`listener`, if it is set, is called once, when nothing can be sent any more."""

    __slots__ = (
        "_begun", "_blocked_at", "_counted", "_end", "_frames", "_heard", "_kept", "_messages",
        "_pinged", "_service", "_waiter", "listener", "over",
    )  # fmt: skip

    def __init__(self, service: Service, max_bytes: int) -> None:
        super().__init__(service.loop)
        self._service = service
        self._frames = Frames(max_bytes)
        self._messages: deque[Message] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._kept = 0
        """Bytes of messages that the application has not let go of."""
        self._counted = 0
        """What of all that stands in the service's own count."""
        now = service.loop.time()
        self._heard = self._pinged = self._begun = self._blocked_at = now
        self._end: asyncio.TimerHandle | None = None
        self.listener: Callable[[], None] | None = None
        self.over = False

    # for the application -----------------------------------------------------------------------

    async def receive(self) -> Message | None:
        """The next message, which counts as kept until `release`; None: it is over."""
        while not self._messages:
            if self.over:
                return None
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if len(self._messages) == MAX_PIPELINED:  # nothing was read for a while
            self._loop.call_soon(self._read)
        return self._messages.popleft()

    def release(self, size: int) -> None:
        """So many bytes of what was received are kept no longer."""
        self._kept -= size
        self._weigh()

    def send(self, texts: Iterable[bytes]) -> None:
        """Each is one message. Wait for `unblocked` before more; when it is over, nobody hears."""
        if not self.over:
            self.write(b"".join([framed(TEXT, text) for text in texts]))

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """What was sent before still arrives."""
        if self.over:
            return
        self.write(framed(CLOSE, closing(code, reason)))
        self._end_soon()
        self._stop()

    def look(self, now: float) -> None:
        """Now and then: end a socket whose client is not there any more, or too slow."""
        if self.over:
            return
        silent_s = now - self._heard
        stalled = self.blocked and now - self._blocked_at > WRITE_STALL_S
        if silent_s > SOCKET_SILENT_S or stalled:
            self._abort()
        elif self._frames.in_message and now - self._begun > BODY_S:
            self.close(POLICY, "The message came too slowly.")
        elif silent_s > SOCKET_PING_S and self._pinged <= self._heard:
            self._pinged = now
            self.write(framed(PING, b""))

    # for uvicorn -------------------------------------------------------------------------------

    def shutdown(self) -> None:
        self.close(GOING_AWAY, _ENDING)

    # asyncio -----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        if not self._frames.in_message:
            self._begun = self._heard
        self._frames.add(data)
        self._read()

    def eof_received(self) -> None:
        """It has left; what was written still goes out, then the transport closes itself."""
        self._stop()
        self._end_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._end is not None:
            self._end.cancel()
        self._stop()
        self._frames = Frames(0)
        self._weigh()
        self._service.connections.discard(self)

    def pause_writing(self) -> None:
        self.blocked = True
        self._blocked_at = self._loop.time()

    def resume_writing(self) -> None:
        self.unblock()

    # life --------------------------------------------------------------------------------------

    def _read(self) -> None:
        """What is here, but no more than others can wait for, or the application."""
        frames, rest = self._frames, _FRAMES_AT_ONCE
        try:
            while rest and len(self._messages) < MAX_PIPELINED:
                message = frames.next()
                if message is None:
                    break
                self._hear(message)
                rest -= 1
        except Broken as broken:
            self.close(broken.code)
            self._hang_up()
            return
        if self._service.held_bytes + frames.held > MAX_HELD_BYTES:
            frames.throw_away(SWAMPED)
        self._weigh()
        self.pause(not rest or len(self._messages) == MAX_PIPELINED)
        if not rest:
            self._loop.call_soon(self._read)

    def _hear(self, message: Message) -> None:
        if message.kind == CLOSE:
            code = code_of(message.payload)
            self.close(NORMAL if code == NO_CODE else code)
            self._hang_up()
        elif self.over or message.kind == PONG or message is PART:
            return
        elif message.kind == PING:
            if not self.blocked:
                self.write(framed(PONG, message.payload))
        else:
            self._kept += len(message.payload)
            self._messages.append(message)
            self._begun = self._heard
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)

    def _weigh(self) -> None:
        held = self._frames.held + self._kept
        self._service.held_bytes += held - self._counted
        self._counted = held

    def _hang_up(self) -> None:
        self._transport.close()

    def _end_soon(self) -> None:
        if self._end is None:
            self._end = self._loop.call_later(LINGER_S, self._abort)

    def _abort(self) -> None:
        self._stop()
        self._transport.abort()

    def _stop(self) -> None:
        """Nothing is sent or heard any more."""
        if self.over:
            return
        self.over = True
        self._kept -= sum(len(message.payload) for message in self._messages)
        self._messages.clear()
        self.unblock()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        listener, self.listener = self.listener, None
        if listener is not None:
            listener()
