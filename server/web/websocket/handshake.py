"""How a request to upgrade becomes a socket."""

from __future__ import annotations

from typing import Final

from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from server.core.errors import BadRequest
from server.web.asgi import Header, Scope, Send, served_by
from server.web.http1.answer_head import lines_of
from server.web.http1.exchange import Exchange
from server.web.websocket.socket import Socket

_VERSION: Final[Header] = (b"sec-websocket-version", b"13")
"""Whoever speaks another one must be told."""
_WISH: Final = (("Connection", "Upgrade"), ("Upgrade", "websocket"))
"""What our HTTP server has read, and left out of the headers."""


def open_socket(scope: Scope, send: Send, max_bytes: int) -> Socket:
    """Accept the upgrade that the request wants. `max_bytes`: of one message.

    Raises `BadRequest` for one that is not RFC 6455's, `ClientLeft` for one whose client has left.
    """
    protocol = ServerProtocol(state=OPEN, max_size=max_bytes)
    accept = _accept(protocol, scope)
    own = served_by(send)
    if not isinstance(own, Exchange):
        raise RuntimeError("sockets are opened at our own HTTP server (server/web/http1) only")
    socket = Socket(own.service, protocol)
    own.switch(lines_of([(b"upgrade", b"websocket"), (b"sec-websocket-accept", accept)]), socket)
    return socket


def _accept(protocol: ServerProtocol, scope: Scope) -> bytes:
    """What the client's key is answered with. The edge has checked host, origin and API key."""
    said = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    response = protocol.accept(Request(scope["path"], Headers([*_WISH, *said])))
    if protocol.handshake_exc is not None:
        error = BadRequest(f"This is no WebSocket: {protocol.handshake_exc}.", code="bad_handshake")
        error.headers = (_VERSION,)
        raise error
    return response.headers["Sec-WebSocket-Accept"].encode()
