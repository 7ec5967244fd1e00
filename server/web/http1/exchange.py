"""One request and its answer: the application's run, and ASGI's `send`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, Final

from server.web.asgi import ClientLeft, Header, Message
from server.web.http1.answer_head import NO_BODY, NO_LENGTH, compose
from server.web.http1.channel import Channel
from server.web.http1.incoming import Incoming
from server.web.http1.line import Line
from server.web.http1.pieces import Pieces
from server.web.http1.refusals import FAILED, without_body
from server.web.http1.service import Service

log = logging.getLogger(__name__)

_LAST_CHUNK = b"0\r\n\r\n"
_SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade"
_COPIED_BYTES: Final = 64 * 1024
"""Of a body; up to here one write of a copy is cheaper than one of two parts."""

# How far an answer is.
_WAITING: Final = 0
_HELD: Final = 1
"""The head is known, and waits for the first piece of the body to go with it."""
_SENT: Final = 2
"""The head is."""
_WHOLE: Final = 3

# How many bytes of the body are still to come or, below zero, how its end is told; `NO_LENGTH` as
# long as the first piece of the body may be all of it.
_IN_CHUNKS: Final = -1
_UNTIL_CLOSE: Final = -2

# What comes after an answer, as the end of its head says it.
KEEP: Final = b"\r\n\r\n"
"""The connection may serve another request."""
KEEP_OLD: Final = b"\r\nconnection: keep-alive\r\n\r\n"
"""The same, to a client that speaks HTTP/1.0."""
CLOSE: Final = b"\r\nconnection: close\r\n\r\n"


class Exchange(Incoming):
    __slots__ = (
        "_head", "_left", "_said", "_stage", "more_lines", "scope", "task", "then",
    )  # fmt: skip

    task: asyncio.Task[None]
    """In which it runs; set by who starts it."""
    _head: bytes
    """Of the answer, once it has begun."""

    def __init__(
        self,
        said: dict[str, Any],
        line: Line,
        service: Service,
        body: bytes | None,
        pieces: Pieces | None = None,
        then: bytes = KEEP,
    ) -> None:
        """`said`: by its head, in ASGI's words, as others may say it too; `body`: all of it, if it
        came together with its head, else it comes in `pieces`; `then`: `KEEP` or the like."""
        self._said = said
        self.scope = scope = said | line.place  # which the application may change
        scope["state"] = service.app_state.copy()
        self.line = line
        self.service = service
        self.loop = service.loop
        self.then = then
        self._body = body
        if body:
            service.unread_bytes += len(body)
        self.pieces = pieces
        self.left = self.over = False
        self._held = 0
        self._listener = None
        self.more_lines = b""
        self._stage = _WAITING
        self._left = NO_BODY if said["method"] == "HEAD" else NO_LENGTH

    @property
    def has_begun(self) -> bool:
        """Whether something of the answer has been sent."""
        return self._stage >= _SENT

    @property
    def is_answered(self) -> bool:
        """As `web.asgi.Served` says."""
        return self._stage != _WAITING

    async def run(self) -> None:
        """Let the application answer, and see to it that there is an answer or a clear cut."""
        try:
            await self.service.app(self.scope, self.receive, self.send)
        except Exception:
            log.exception("the application failed", extra=self._names())
            self._fail()
        except BaseException:  # cancelled: the server ends
            self._fail()
            raise
        else:
            if not self.over:
                log.error("the application left its answer unfinished", extra=self._names())
                self._fail()
        finally:
            self.service.tasks.discard(self.task)

    async def send(self, message: Message) -> None:
        if (self.over or self.line.blocked) and await self._is_in_vain():
            return
        kind = message["type"]
        if kind == "http.response.body" and _HELD <= self._stage <= _SENT:
            self._write(message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.start" and self._stage == _WAITING:
            self._begin(message["status"], message.get("headers", ()))
            if self._left == NO_LENGTH:
                # A stream, perhaps; its client sees the head even if the first event takes long.
                self.loop.call_soon(self._flush)
        else:
            raise RuntimeError(f"{kind!r} came where an answer has no place for it")

    async def respond(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        """As `web.asgi.Served` says."""
        if (self.over or self.line.blocked) and await self._is_in_vain():
            return
        if self._stage != _WAITING:
            raise RuntimeError("a second answer to one request")
        self._begin(status, headers)
        size = len(body)
        if self._left == NO_LENGTH and size < _COPIED_BYTES:  # as nearly always
            lines = (self._head, size, self.then, body)
            self.line.write(b"%b\r\ncontent-length: %d%b%b" % lines)
            self._finish()
        else:
            self._write(body, more=False)

    def switch(self, lines: bytes, successor: Channel) -> None:
        """Answer with 101 and these header lines; from now on the client speaks to `successor`.
        Raises `BadRequest` where it did not wait for that, `ClientLeft` where it has left."""
        if self.left:
            raise ClientLeft
        if self.over or self._stage != _WAITING:
            raise RuntimeError("a second answer to one request")
        line = self.line
        line.switch(successor)
        line.write(_SWITCHING + self.more_lines + lines + b"\r\n\r\n")
        self._stage = _WHOLE
        self.close()

    def send_now(self, piece: bytes) -> bool:
        """As `web.asgi.Served` says."""
        if self._left != _IN_CHUNKS or self.over or self.line.blocked:
            return False
        self.line.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        return True

    async def _is_in_vain(self) -> bool:
        """Whether nobody will read it; who reads slowly is waited for."""
        if not self.over:
            await self.line.unblocked()
        if not self.left:
            return False
        await asyncio.sleep(0)  # an application that never waits must not stop all others
        return True

    def _begin(self, status: int, headers: Iterable[Header]) -> None:
        head, length, closes = compose(status, headers, self.service.state.default_headers)
        self._head = head + self.more_lines
        pieces = self.pieces
        if closes or (pieces is not None and pieces.expects):
            self.then = CLOSE  # who was not told to send a body may send it or not
        if self._left == NO_LENGTH:
            self._left = length
        self._stage = _HELD

    def _flush(self) -> None:
        if self._stage == _HELD and not self.over:
            self.line.write(self._close_head(0, more=True))

    def _write(self, body: bytes, more: bool) -> None:
        if type(body) is not bytes:
            body = bytes(body)  # a buffer may change before it is sent
        size = len(body)
        if self._left >= 0:
            self._count(size, more)
        head = self._close_head(size, more) if self._stage == _HELD else b""
        if self._left == _IN_CHUNKS:
            end = b"" if more else _LAST_CHUNK
            data = b"%b%x\r\n%b\r\n%b" % (head, size, body, end) if body else head + end
        elif self._left == NO_BODY:
            data = head
        elif size < _COPIED_BYTES:
            data = head + body
        else:
            data = b""
            self.line.write_parts(head, body)
        if data:
            self.line.write(data)
        if not more:
            self._finish()

    def _count(self, size: int, more: bool) -> None:
        """Hold the application to the length that it declared."""
        self._left -= size
        if self._left < 0 or (self._left and not more):
            log.error("an answer is not as long as its content-length", extra=self._names())
            if self._stage == _SENT:
                self.line.cut(looks_whole=False)
            self._left = NO_LENGTH
            raise RuntimeError("the body is not as long as its content-length said")

    def _close_head(self, size: int, more: bool) -> bytes:
        """The head to its end: its last lines say how long the body is, and what comes after it."""
        self._stage = _SENT
        head = self._head
        if self._left == NO_LENGTH:
            if not more:
                self._left = size
                head += b"\r\ncontent-length: %d" % size
            elif self._said["http_version"] == "1.1":
                self._left = _IN_CHUNKS
                head += b"\r\ntransfer-encoding: chunked"
            else:
                self._left = _UNTIL_CLOSE
                self.then = CLOSE
        return head + self.then

    def _finish(self) -> None:
        self._stage = _WHOLE
        self.close()
        self.line.answered(keep=self.then != CLOSE)

    def _fail(self) -> None:
        if self.over:
            return
        if self._stage == _SENT:
            self.line.cut(looks_whole=self._left == _UNTIL_CLOSE)
            return
        self.then = CLOSE
        head_only = self._said["method"] == "HEAD"
        self.line.write(without_body(FAILED) if head_only else FAILED)
        self._finish()

    def _names(self) -> dict[str, Any]:
        """What a line of the log knows this request by."""
        return {"path": self.scope["path"], "request_id": self.scope["state"].get("request_id")}
