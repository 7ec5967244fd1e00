"""Whose request it is, as a worker is told, so that it can serve its customers in turn."""

from __future__ import annotations

from typing import Final, TypeAlias

from server.web.asgi import Header, Scope, header
from server.wire.fleet import CUSTOMER_HEADER

Whose: TypeAlias = tuple[Header, ...]
"""One header, or none for somebody without a key."""
NOBODYS: Final[Whose] = ()
MAX_USER_BYTES: Final = 64
"""Of what our app server calls one of its users."""
_NAME: Final = CUSTOMER_HEADER.encode()


def told_of(key_id: str) -> Whose:
    """The id says nothing of who has the key."""
    return ((_NAME, key_id.encode()),)


def told_by_app(key_id: str, scope: Scope) -> Whose:
    """For the key of our app server, which may say for which of its users it asks. Nobody else may:
    who chooses such names himself would be first in every line."""
    user = header(scope, _NAME)
    if not user:
        return told_of(key_id)
    return ((_NAME, b"%b-%b" % (key_id.encode(), user[:MAX_USER_BYTES])),)
