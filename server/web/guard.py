"""A connection that dawdles over its headers, or sends endless ones, is closed.

uvicorn's parser waits for ever and accepts headers of any size; this protocol does not.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.core.limits import HEADERS_S, MAX_HEADER_BYTES, WRITE_STALL_S

_GRACE_S = 1.0
"""The application gives up first and may still say so; then the connection goes."""
LINGER_S = 2.0
"""How long the rest of a refused body is read and thrown away."""


def _closing(status: bytes, code: bytes, message: bytes) -> bytes:
    body = (
        b'{"error":{"message":"' + message + b'","type":"invalid_request_error",'
        b'"param":null,"code":"' + code + b'"}}'
    )
    return (
        b"HTTP/1.1 " + status + b"\r\ncontent-type: application/json\r\nconnection: close\r\n"
        b"content-length: " + str(len(body)).encode() + b"\r\n\r\n" + body
    )


_TIMEOUT = _closing(b"408 Request Timeout", b"request_timeout", b"The headers came too slowly.")
_TOO_LARGE = _closing(
    b"431 Request Header Fields Too Large", b"headers_too_large", b"The headers are too large."
)
_MALFORMED = _closing(b"400 Bad Request", b"invalid_http", b"This is not valid HTTP.")


class GuardedProtocol(HttpToolsProtocol):
    """`HttpToolsProtocol` with limits on the head of each request.

    The timer runs from the connection's start, and from the first byte of each later request.
    """

    _timer: asyncio.TimerHandle | None = None
    _linger: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        for timer in (self._linger, self._stall):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads too slowly; one that reads nothing is cut off, buffers and all."""
        super().pause_writing()
        self._stall = self.loop.call_later(WRITE_STALL_S + _GRACE_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._watch()  # even an empty line begins a head that has to end
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEADER_BYTES and b"\r\n\r\n" not in data[:MAX_HEADER_BYTES]:
                self._refuse(_TOO_LARGE)
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._watch()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._unwatch()
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._in_head and not self.transport.is_closing():
            # Refused in mid-body. Closing now would reset the connection before the client has
            # read why, so the rest is thrown away for a moment.
            self._linger = self.loop.call_later(LINGER_S, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        self._refuse(_MALFORMED)

    def _watch(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if self._timer is None and not answering:
            self._timer = self.loop.call_later(HEADERS_S, self._refuse, _TIMEOUT)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, answer: bytes) -> None:
        self._unwatch()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()
