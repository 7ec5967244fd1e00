"""Which web pages may call a port from a browser, and what their browsers want to hear (CORS).

Source: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from server.core.errors import Forbidden
from server.core.settings import is_loopback
from server.web.asgi import Header, Scope, Send, header

PREFLIGHT_AGE_S = 600
_EXPOSED = b"x-request-id, retry-after, x-conversation-id, x-message-id"


class Origins:
    """Pages of this machine and those `allowed`; programs send no origin at all."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = frozenset(allowed)

    def check(self, scope: Scope) -> None:
        """Raises `Forbidden` for a page of another site."""
        origin = header(scope, b"origin")
        if origin is not None and not self._allows(origin):
            raise Forbidden("This web page may not call here (allowed_origins).", code="bad_origin")

    def headers(self, scope: Scope) -> tuple[Header, ...]:
        """What a browser needs to see on an answer before it shows it to the page."""
        origin = header(scope, b"origin")
        if origin is None or not self._allows(origin):
            return ()
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"origin"),
        )

    def _allows(self, raw: bytes) -> bool:
        origin = raw.decode("latin-1")
        try:
            return origin in self._allowed or is_loopback(urlsplit(origin).hostname or "")
        except ValueError:  # an unclosed bracket
            return False


def is_preflight(scope: Scope) -> bool:
    """Whether a browser asks if it may ask."""
    return (
        scope["method"] == "OPTIONS"
        and header(scope, b"origin") is not None
        and header(scope, b"access-control-request-method") is not None
    )


async def send_permission(scope: Scope, send: Send) -> None:
    """The answer to a preflight; the check of the origin comes before it, any key after it."""
    wanted = header(scope, b"access-control-request-headers") or b""
    headers = [
        (b"access-control-allow-methods", b"GET, POST, PATCH, DELETE"),
        (b"access-control-allow-headers", wanted),
        (b"access-control-max-age", str(PREFLIGHT_AGE_S).encode()),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
