"""The terms on which a request comes to a worker, as its headers say them."""

from __future__ import annotations

from typing import NamedTuple

from server.core.errors import BadRequest, UpstreamTimeout
from server.core.limits import WHOLE_REQUEST_S
from server.web.asgi import Scope, header
from server.wire.fleet import CUSTOMER_HEADER, DEADLINE_HEADER, GATEWAY_HEADER
from server.wire.lanes import PRIORITY_HEADER, Lane, lane_of

_GATEWAY = GATEWAY_HEADER.encode()
_CUSTOMER = CUSTOMER_HEADER.encode()
_PRIORITY = PRIORITY_HEADER.encode()
_DEADLINE = DEADLINE_HEADER.encode()


class Terms(NamedTuple):
    gateway: str
    """Which one sent it; empty: none of ours."""
    lane: Lane
    whole_s: float
    """For all of it: `WHOLE_REQUEST_S`, or less where its client waits less."""
    customer: str
    """Whose request it is, as its gateway says; empty: that is not known."""


def terms_of(scope: Scope) -> Terms:
    """Raises `BadRequest` for what cannot be read, `UpstreamTimeout` when time is up already."""
    return Terms(
        gateway=(header(scope, _GATEWAY) or b"").decode("latin-1"),
        lane=lane_of(header(scope, _PRIORITY)),
        whole_s=_seconds_left(header(scope, _DEADLINE)),
        customer=(header(scope, _CUSTOMER) or b"").decode("latin-1"),
    )


def _seconds_left(deadline_ms: bytes | None) -> float:
    if deadline_ms is None:
        return WHOLE_REQUEST_S
    try:
        left_ms = int(deadline_ms)
    except ValueError:
        raise BadRequest(
            f"The header {DEADLINE_HEADER} is a whole number of milliseconds.",
            code="invalid_deadline",
        ) from None
    if left_ms <= 0:
        raise UpstreamTimeout("The request's time was up before the model began.")
    return min(left_ms, WHOLE_REQUEST_S * 1000) / 1000
