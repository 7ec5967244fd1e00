"""How a request to upgrade becomes a socket."""

from __future__ import annotations

import base64
import binascii
from hashlib import sha1
from typing import Final

from server.core.errors import BadRequest
from server.web.asgi import UPGRADE, Scope, Send, header, served_by
from server.web.http1.answer_head import lines_of
from server.web.http1.exchange import Exchange
from server.web.websocket.socket import Socket

VERSION: Final = b"13"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES: Final = 16


def wants_socket(scope: Scope) -> bool:
    if scope["method"] != "GET" or scope["http_version"] != "1.1":
        return False
    wish: bytes | None = scope.get("extensions", {}).get(UPGRADE)
    return wish == b"websocket"


def open_socket(scope: Scope, send: Send, max_bytes: int) -> Socket:
    """Accept the upgrade that the request wants. `max_bytes`: of one message.

    Raises `BadRequest` for one that is not RFC 6455's, `ClientLeft` for one whose client has left.
    """
    lines = lines_of([(b"upgrade", b"websocket"), (b"sec-websocket-accept", _accept(scope))])
    own = served_by(send)
    if not isinstance(own, Exchange):
        raise RuntimeError("sockets are opened at our own HTTP server (server/web/http1) only")
    socket = Socket(own.service, max_bytes)
    own.switch(lines, socket)
    return socket


def _accept(scope: Scope) -> bytes:
    if header(scope, b"sec-websocket-version") != VERSION:
        error = _bad("Sec-WebSocket-Version must be 13.")
        error.headers = ((b"sec-websocket-version", VERSION),)
        raise error
    key = header(scope, b"sec-websocket-key") or b""
    try:
        size = len(base64.b64decode(key, validate=True))
    except binascii.Error:
        size = 0
    if size != _KEY_BYTES:
        raise _bad("Sec-WebSocket-Key must be 16 bytes in base64.")
    return base64.b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def _bad(message: str) -> BadRequest:
    return BadRequest(message, code="bad_handshake")
