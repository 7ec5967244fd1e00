"""The secret that a caller sends, in the forms that programs we do not control can send it in."""

from __future__ import annotations

import binascii
from base64 import b64decode

from server.web.asgi import Scope, header


def offered_secret(scope: Scope) -> str:
    """The bearer token, or the password of HTTP Basic (`http://any:SECRET@host:port`); else ""."""
    scheme, _, value = (header(scope, b"authorization") or b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(value, validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
