"""What the paths of things that are kept have in common: whose they are, and what is not there."""

from __future__ import annotations

from server.core.errors import MethodNotAllowed, NotFound
from server.ledger.key import Key
from server.web.asgi import Scope


def owner_of(scope: Scope) -> str:
    """The id of the key that asks; empty: nobody's."""
    key: Key | None = scope["state"].get("key")
    return key.id if key is not None else ""


def nothing_here() -> NotFound:
    return NotFound("There is nothing at this path.")


def only(method: str, *wanted: str) -> None:
    """Raises `MethodNotAllowed`."""
    if method not in wanted:
        raise MethodNotAllowed(*wanted)
