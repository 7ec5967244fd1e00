"""Who may change things."""

from __future__ import annotations

from server.core.errors import Forbidden
from server.ledger.key import Key
from server.web.asgi import Scope


def demand_administrator(scope: Scope) -> Key:
    """The administrator's key that this request came with. Raises `Forbidden`.

    An open port has no administrators, and neither have the keys of the configuration.
    """
    key: Key | None = scope["state"].get("key")
    if key is None or not key.admin:
        raise Forbidden(
            "This needs an administrator's key; `startup.py key create NAME --admin` makes one.",
            code="admin_key_required",
        )
    return key
