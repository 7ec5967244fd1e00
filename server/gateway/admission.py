"""Who may call the gateway: whoever has a key; what it tells of itself, only our processes."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import SecretStr

from server.web.asgi import Scope
from server.web.edge import Check, bearer_key, internal_secret
from server.wire.fleet import SECRET_HEADER

OURS = "/shortline/"


def key_or_secret(keys: Iterable[SecretStr], secret: SecretStr) -> Check:
    """Paths below `OURS` demand the fleet's secret and no key, all others one of `keys`."""
    customer = bearer_key(keys)
    ours = internal_secret(secret, header_name=SECRET_HEADER)

    def check(scope: Scope) -> None:
        (ours if scope["path"].startswith(OURS) else customer)(scope)

    return check
