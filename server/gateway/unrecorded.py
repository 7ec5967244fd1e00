"""What is remembered of requests that ended before they had a record."""

from __future__ import annotations

from server.core.errors import RequestError
from server.gateway.asked import TIMEOUT_HEADER
from server.gateway.ours import OURS
from server.gateway.sight.sight import Sight
from server.ledger.key import Key
from server.web.asgi import Scope

RECORDED = "recorded"
"""In the state of a request that failed: its record tells of it."""
PARAMS = frozenset({"model", "stream", TIMEOUT_HEADER.decode()})
"""What can be wrong in a request that is relayed; other names are a client's own words."""


def note_refusal(sight: Sight, scope: Scope, error: RequestError) -> None:
    """Of a request that has no record. That our own processes ask in vain is nothing to tell."""
    path, state = scope["path"], scope["state"]
    if RECORDED in state or (path.startswith(OURS) and error.status == 404):
        return
    key: Key | None = state.get("key")
    sight.refuse(
        state["request_id"],
        scope["method"],
        path,
        error.status,
        error.code or error.type,
        key_id=key.id if key else "",
        field=error.param if error.param in PARAMS else "",
    )
