"""Who may call the gateway: whoever has a key; what it tells of itself, only our processes."""

from __future__ import annotations

from pydantic import SecretStr

from server.core.errors import Conflict, Unauthorized
from server.core.secrets import same_secret
from server.gateway.customers.customers import Customers
from server.gateway.models import MODELS
from server.gateway.ours import OURS, REQUESTS
from server.web.asgi import Scope, header
from server.web.edge import Check, internal_secret
from server.wire.fleet import FLEET_HEADER, SECRET_HEADER, fleet_id
from server.wire.sight import READING_HEADER, reading_key


def key_or_secret(customers: Customers, secret: SecretStr) -> Check:
    """Paths below `OURS` demand the fleet's secret and no key, all others one of the keys.

    Requests are explained also to who holds the key that is made for it. A worker of ours that asks
    for models where it speaks for a server has come in a circle, with whatever key.
    """
    ours = internal_secret(secret, header_name=SECRET_HEADER)
    reading = reading_key(secret)
    fleet_header, fleet = FLEET_HEADER.encode(), fleet_id(secret).encode()

    def check(scope: Scope) -> None:
        path: str = scope["path"]
        if path == MODELS and header(scope, fleet_header) == fleet:
            raise Conflict("You are this very Shortline.", code="own_gateway")
        if not path.startswith(OURS):
            customers.check(scope)
        elif not (path.startswith(REQUESTS) and _may_read(scope, reading)):
            ours(scope)

    return check


def _may_read(scope: Scope, reading: SecretStr) -> bool:
    offered = header(scope, READING_HEADER.encode())
    if offered is None:
        return False
    if not same_secret(offered.decode("latin-1"), reading):
        raise Unauthorized("This is not the reading key of this fleet.", code="bad_secret")
    return True
