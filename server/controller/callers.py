"""Who may speak for a FastChat worker, and which workers may be asked back.

FastChat's workers know nothing of our secret, but they pass on what stands in a URL:

    --controller-address http://fastchat:SECRET@127.0.0.1:20001

SECRET is `controller.secret` (SHORTLINE_CONTROLLER__SECRET); without one it is new at each start.
A worker whose `host:port` stands in `controller.fastchat_workers` needs none, as long as its
words come from its own host.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import SecretStr

from server.controller.addresses import authority_of, check_address, is_local, is_same_host
from server.core.errors import Unauthorized
from server.core.secrets import same_secret
from server.web.asgi import Scope
from server.web.credentials import offered_secret


class Callers:
    def __init__(
        self, secret: SecretStr, allowed: Iterable[str] = (), *, closed: bool = False
    ) -> None:
        """`allowed`: `host:port` of workers that need no secret. `closed`: reading needs it too,
        which a gateway may also say later."""
        self.closed = closed
        self._secret = secret
        self._allowed = frozenset(allowed)

    def check(self, scope: Scope, address: str) -> None:
        """Raises `Unauthorized` for a caller that may not speak for the worker at `address`."""
        if same_secret(offered_secret(scope), self._secret):
            return
        if authority_of(address) in self._allowed:
            peer = scope.get("client") or ("", 0)
            if is_same_host(check_address(address), peer[0]):
                return
        raise Unauthorized(
            "Only workers of this fleet may register: send the fleet's secret "
            "(http://fastchat:SECRET@host:port as controller address), "
            "or name the worker in controller.fastchat_workers.",
            code="bad_secret",
        )

    def demand_secret(self, scope: Scope) -> None:
        """Raises `Unauthorized` for a caller without the secret."""
        if not same_secret(offered_secret(scope), self._secret):
            raise Unauthorized(
                "This controller is closed to strangers: send the fleet's secret "
                "(http://fastchat:SECRET@host:port as controller address).",
                code="bad_secret",
            )

    def may_ask(self, address: str) -> bool:
        """Whether this process may connect to an address that a body named."""
        return is_local(check_address(address)) or authority_of(address) in self._allowed
