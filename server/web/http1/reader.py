"""Bytes in, requests out. What is not HTTP, or more of it than promised, is refused here."""

from __future__ import annotations

import logging
from typing import Any, Final, Protocol

import httptools

from server.core.limits import MAX_HEADER_BYTES, UNREAD_BYTES
from server.web.asgi import UPGRADE, Header, Headers
from server.web.http1.exchange import CLOSE, KEEP, KEEP_OLD, Exchange
from server.web.http1.heads import END, MAX_HEAD_BYTES, Head
from server.web.http1.line import Line
from server.web.http1.pieces import Pieces
from server.web.http1.refusals import FAILED, MALFORMED, TOO_LARGE, Refusal
from server.web.http1.request_head import PLAIN, look, split_target, without_upgrade
from server.web.http1.service import Service

log = logging.getLogger(__name__)

_WIRE_BYTES_PER_BODY_BYTE = 16
"""Enough for chunks of one byte each; too little for endless extensions and trailers."""
_END_BYTES: Final = len(END)
_ASGI = {"version": "3.0", "spec_version": "2.3"}


class Owner(Line, Protocol):
    """The connection, as its reader knows it."""

    def begin(self, exchange: Exchange) -> None:
        """A head has been read. Raises `Refusal` when too many wait already."""

    def refuse(self, answer: bytes, unfinished: Exchange | None) -> None:
        """Nothing more can be read, not even the rest of the `unfinished` one."""


class Reader:
    __slots__ = (
        "_body", "_chunked", "_headers", "_left", "_owner", "_parser", "_plain", "_service",
        "_target", "_text", "_upgrade", "_wire", "exchange", "head_bytes", "in_message",
    )  # fmt: skip

    def __init__(self, owner: Owner, service: Service) -> None:
        self._owner = owner
        self._service = service
        self._target = b""
        self._headers: list[Header] = []
        self._text = b""
        """The head that is being parsed, if it may be worth to be remembered."""
        self._left = 0
        """Bytes still to come of a body that the parser need not see."""
        self._plain = b""
        """The head of a request to upgrade, as it were without that wish."""
        self._upgrade = b""
        """What that wish was."""
        self._chunked = False
        self._wire = self._body = 0
        """Of a body in chunks: bytes received, and those among them that are the body."""
        self.exchange: Exchange | None = None
        """Whose body is being read."""
        self.in_message = False
        """Whether the beginning of a request has come, and not its end."""
        self.head_bytes = 0
        self._parser: Any = self._new_parser()

    def feed(self, data: bytes) -> None:
        while data and self._parser is not None:
            if self._left:
                data = self._read_on(data)
            elif self.in_message or (rest := self._begin_known(data)) is None:
                self._feed_parser(data)
                return
            else:
                data = rest

    def close(self) -> None:
        """Read nothing more; lets go of the parser, which knows its reader."""
        self._parser = self.exchange = None

    # heads that were read before ---------------------------------------------------------------

    def _begin_known(self, data: bytes) -> bytes | None:
        """Begin the request at the beginning of `data`, if its head is known.

        Returns what follows it in `data`; None: the head must be read.
        """
        end = data.find(END, 0, MAX_HEAD_BYTES)
        if end < 0:
            return None
        text = data[: end + _END_BYTES]
        head = self._service.heads.find(text)
        if head is None:
            self._text = text
            return None
        shared, start, end = head
        missing = end - len(data)
        if missing <= 0:
            exchange = Exchange(shared, self._owner, self._service, data[start:end])
        else:
            pieces = Pieces(self._owner, self._service, data[start:])
            exchange = Exchange(shared, self._owner, self._service, None, pieces)
        try:
            self._owner.begin(exchange)
        except Refusal as refusal:
            exchange.close()
            self._give_up(refusal.answer)
            return b""
        self.head_bytes = 0
        if missing > 0:
            self.exchange = exchange
            self.in_message = True
            self._left = missing
            self._owner.regulate()
        return data[end:]

    def _read_on(self, data: bytes) -> bytes:
        size = len(data)
        if size > self._left:
            rest, data = data[self._left :], data[: self._left]
        else:
            rest = b""
        self._left -= len(data)
        self.on_body(data)
        if not self._left:
            self.in_message = False
            self._end()
        return rest

    def _end(self) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is not None and exchange.pieces is not None:
            exchange.pieces.end()

    # all others --------------------------------------------------------------------------------

    def _feed_parser(self, data: bytes) -> None:
        if self.exchange is not None:
            exchange = self.exchange
            self._parse(data)
            if self._chunked and self.exchange is exchange:
                self._weigh(len(data))
        elif self.head_bytes + len(data) <= MAX_HEADER_BYTES:
            self.head_bytes += len(data)
            self._parse(data)
        else:
            self._feed_slowly(data)

    def _feed_slowly(self, data: bytes) -> None:
        """Feed no more than a head may have, and only what follows a whole one."""
        room = MAX_HEADER_BYTES - self.head_bytes
        if room <= 0:
            self._give_up(TOO_LARGE)
            return
        self.head_bytes += room
        self._parse(data[:room])
        self.feed(data[room:])

    def _weigh(self, size: int) -> None:
        self._wire += size
        if self._wire > MAX_HEADER_BYTES + _WIRE_BYTES_PER_BODY_BYTE * self._body:
            self._give_up(MALFORMED)

    def _parse(self, data: bytes) -> None:
        rest: bytes | None = None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            rest = data[error.args[0] :]
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, Refusal):
                log.error("a request could not be read", exc_info=cause)
            self._give_up(cause.answer if isinstance(cause, Refusal) else FAILED)
        except httptools.HttpParserError:
            self._give_up(MALFORMED)
        if rest is not None:
            self._go_on_plainly(rest)

    def _go_on_plainly(self, rest: bytes) -> None:
        """Leave the wish to upgrade to the application. For the parser such a request has no body;
        so it is given the head again, without it (Java's HTTP client asks for HTTP/2 that way)."""
        head, self._plain = self._plain, b""
        self.in_message = False
        self._parser = self._new_parser()
        self._parse(head)
        self.feed(rest)

    def _give_up(self, answer: bytes) -> None:
        unfinished = self.exchange
        self.close()
        self._owner.refuse(answer, unfinished)

    def _new_parser(self) -> Any:
        parser = httptools.HttpRequestParser(self)
        # What follows the last request is ignored rather than held against that request.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    # httptools ---------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self.in_message = True

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value.rstrip()))

    def on_headers_complete(self) -> None:
        headers, self._headers = self._headers, []  # trailers, which nobody reads, get the new one
        target, self._target = self._target, b""
        text, self._text = self._text, b""
        parser = self._parser
        version = parser.get_http_version()
        method = parser.get_method().decode()
        asked = look(headers, version)
        if asked.upgrade and method != "CONNECT" and parser.should_upgrade():
            self._plain = without_upgrade(method, target, version, headers)
            self._upgrade = asked.upgrade
            return
        shared = self._shared_scope(method, target, version, headers)
        if self._upgrade:
            shared["extensions"], self._upgrade = {UPGRADE: self._upgrade}, b""
        keep = parser.should_keep_alive()
        pieces = Pieces(self._owner, self._service, expects=asked.expects)
        then = CLOSE if not keep else KEEP if version == "1.1" else KEEP_OLD
        exchange = Exchange(shared, self._owner, self._service, None, pieces, then)
        self._owner.begin(exchange)
        self.exchange = exchange
        self._chunked = asked.chunked
        self._wire = self._body = 0
        if text and keep and asked == PLAIN and version == "1.1" and method != "CONNECT":
            length = int(shared["headers"].first.get(b"content-length", b"0"))
            self._service.heads.keep(text, Head(shared, len(text), len(text) + length))

    def _shared_scope(
        self, method: str, target: bytes, version: str, headers: list[Header]
    ) -> dict[str, Any]:
        path, raw_path, query = split_target(target, method)
        root_path = self._service.root_path
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "scheme": "http",
            "method": method,
            "root_path": root_path,
            "path": root_path + path if root_path else path,
            "raw_path": root_path.encode() + raw_path if root_path else raw_path,
            "query_string": query,
            "headers": Headers(headers),
            # Each request has its own; a dict that need not grow is copied in half the time.
            "client": None,
            "server": None,
            "state": None,
        }

    def on_body(self, data: bytes) -> None:
        exchange = self.exchange
        assert exchange is not None
        pieces = exchange.pieces
        assert pieces is not None
        if not exchange.over:
            pieces.feed(data)
        if self._chunked:
            self._body += len(data)
        if pieces.unread > UNREAD_BYTES or self._service.is_swamped:
            self._owner.regulate()

    def on_message_complete(self) -> None:
        if self._plain:
            return
        self.in_message = False
        self.head_bytes = 0
        self._headers.clear()
        self._end()
