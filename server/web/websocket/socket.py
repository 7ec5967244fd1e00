"""One client's socket: its messages, at the pace of the slower side, its pings and its end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from websockets.frames import CTRL_OPCODES, CloseCode, Frame, Opcode
from websockets.protocol import SEND_EOF
from websockets.server import ServerProtocol

from server.core.limits import (
    BODY_S,
    LINGER_S,
    MAX_HELD_BYTES,
    MAX_PIPELINED,
    SMALL_BODY_BYTES,
    SOCKET_PING_S,
    SOCKET_SILENT_S,
    WRITE_STALL_S,
)
from server.web.http1.channel import Channel
from server.web.http1.service import Service

_ENDING: Final = "This server is shutting down."
_TOO_SLOW: Final = "The message came too slowly."
_SWAMPED: Final = "Too much is being sent here at once; try again."
_MAX_REASON_BYTES: Final = 123
_FRAMES_AT_ONCE: Final = 256
"""A millisecond's or two."""
_PIECE_BYTES: Final = 512
"""What the library gets at once, for it reads all of it: 85 frames at most."""


class Message(NamedTuple):
    payload: bytes
    is_text: bool


class Socket(Channel):
    """`listener`, if it is set, is called once, when nothing can be sent any more."""

    __slots__ = (
        "_begun", "_blocked_at", "_counted", "_end", "_heard", "_is_text", "_kept", "_messages",
        "_parts", "_pinged", "_protocol", "_service", "_unread", "_waiter", "listener", "over",
    )  # fmt: skip

    def __init__(self, service: Service, protocol: ServerProtocol) -> None:
        """`protocol` is open."""
        super().__init__(service.loop)
        self._service = service
        self._protocol = protocol
        self._unread = bytearray()
        """What the protocol is still to be told."""
        self._parts = bytearray()
        """Of the message that is being received; frames of one byte each are none of ours to
        keep."""
        self._is_text = True
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
            for text in texts:
                self._protocol.send_text(text)
            self._flush()

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """What was sent before still arrives. Of a long reason the beginning is told."""
        if self.over:
            return
        said = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
        self._protocol.send_close(code, said)
        self._flush()
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
        elif self._in_message and now - self._begun > BODY_S:
            self.close(CloseCode.POLICY_VIOLATION, _TOO_SLOW)
        elif silent_s > SOCKET_PING_S and self._pinged <= self._heard:
            self._pinged = now
            self._protocol.send_ping(b"")
            self._flush()

    # for uvicorn -------------------------------------------------------------------------------

    def shutdown(self) -> None:
        self.close(CloseCode.GOING_AWAY, _ENDING)

    # asyncio -----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        if not self._in_message:
            self._begun = self._heard
        self._unread += data
        self._read()

    def eof_received(self) -> None:
        """It has left; what was written still goes out, then the transport closes itself."""
        self._stop()
        self._end_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._end is not None:
            self._end.cancel()
        self._stop()
        self._unread.clear()
        self._protocol.fail(CloseCode.ABNORMAL_CLOSURE)  # it lets go of what it has
        self._weigh()
        self._service.connections.discard(self)

    def pause_writing(self) -> None:
        self.blocked = True
        self._blocked_at = self._loop.time()

    def resume_writing(self) -> None:
        self.unblock()

    # life --------------------------------------------------------------------------------------

    @property
    def _in_message(self) -> bool:
        protocol = self._protocol
        return bool(self._unread or protocol.reader.buffer or protocol.current_size is not None)

    def _read(self) -> None:
        """What is here, but no more than others can wait for, or the application."""
        protocol, rest = self._protocol, _FRAMES_AT_ONCE
        while self._unread and rest > 0 and len(self._messages) < MAX_PIPELINED:
            protocol.receive_data(self._unread[:_PIECE_BYTES])
            del self._unread[:_PIECE_BYTES]
            for frame in protocol.events_received():
                assert isinstance(frame, Frame)  # the handshake is behind us
                self._hear(frame)
                rest -= 1
        self._weigh()
        if self._service.held_bytes > MAX_HELD_BYTES and self._partial > SMALL_BODY_BYTES:
            protocol.fail(CloseCode.TRY_AGAIN_LATER, _SWAMPED)
            self._weigh()
        self._flush(answers_only=True)
        self.pause(bool(self._unread))
        if self._unread and rest <= 0:
            self._loop.call_soon(self._read)

    def _hear(self, frame: Frame) -> None:
        if self.over or frame.opcode in CTRL_OPCODES:  # the protocol has answered those
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts += frame.data
        if not frame.fin:
            return
        message = Message(bytes(self._parts), self._is_text)
        self._parts.clear()
        if message.is_text and not _is_utf8(message.payload):
            self._protocol.fail(CloseCode.INVALID_DATA)
            return
        self._kept += len(message.payload)
        self._messages.append(message)
        self._begun = self._heard
        self._wake()

    def _flush(self, *, answers_only: bool = False) -> None:
        """Send what the protocol wants sent. `answers_only`: to what was heard; who does not read
        gets no pongs."""
        pieces = self._protocol.data_to_send()
        if not pieces or (answers_only and self.blocked and not self._protocol.close_expected()):
            return
        self.write(b"".join(pieces))
        if SEND_EOF in pieces:
            self._stop()
            self._end_soon()
            if not self._transport.is_closing():
                self._transport.write_eof()  # a reset would take the reason from the client

    @property
    def _partial(self) -> int:
        """Bytes of a message that is not whole yet."""
        return len(self._protocol.reader.buffer) + len(self._parts)

    def _weigh(self) -> None:
        held = len(self._unread) + self._partial + self._kept
        self._service.held_bytes += held - self._counted
        self._counted = held

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
        self._parts.clear()
        self._kept -= sum(len(message.payload) for message in self._messages)
        self._messages.clear()
        self.unblock()
        self._wake()
        listener, self.listener = self.listener, None
        if listener is not None:
            listener()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
