"""Who may call a local worker: the fleet, and on FastChat's paths, FastChat."""

from __future__ import annotations

from pydantic import SecretStr

from server.core.errors import Unauthorized
from server.core.secrets import same_secret
from server.web.asgi import Scope, header
from server.web.credentials import offered_secret
from server.web.edge import Check, internal_secret
from server.wire.fleet import SECRET_HEADER


def fleet_or_fastchat(
    secret: SecretStr, fastchat_paths: frozenset[str], *, fastchat_open: bool
) -> Check:
    """Our own processes bring the secret in its header.

    FastChat's programs cannot; on `fastchat_paths` they may bring it as credentials, Bearer or
    Basic (`http://any:SECRET@host:port`), or need none when `fastchat_open`.
    """
    ours = internal_secret(secret, header_name=SECRET_HEADER)

    def check(scope: Scope) -> None:
        if scope["path"] in fastchat_paths:
            if fastchat_open or same_secret(offered_secret(scope), secret):
                return
            if header(scope, SECRET_HEADER.encode()) is None:
                raise Unauthorized(
                    "Send the fleet's secret as a password, or set the model's fastchat_controller "
                    "to let FastChat in.",
                    code="bad_secret",
                )
        ours(scope)

    return check
