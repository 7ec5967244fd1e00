"""How one worker is asked, and what its failures mean."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from pydantic import SecretStr

from server.clients.connection import Header
from server.clients.http import HTTPClient
from server.core.errors import (
    ConnectFailed,
    DeadlineExceeded,
    NotFound,
    ProviderRefused,
    RequestError,
    TransportError,
    Unavailable,
    WorkerLost,
)
from server.core.limits import FIRST_TOKEN_S, RETRY_AFTER_S, WHOLE_REQUEST_S
from server.gateway.asked import Asked
from server.gateway.breaker import Trouble
from server.gateway.delivery import Delivery
from server.gateway.failover.diverged import Diverged
from server.gateway.fastchat.upstream import FastChatUpstream
from server.gateway.movable import Movable
from server.gateway.sight.faults import WORKER_REFUSED
from server.gateway.worker import Lease
from server.web.asgi import JSON
from server.web.relay import Upstream
from server.wire.fleet import (
    DEADLINE_HEADER,
    GATEWAY_HEADER,
    SECRET_HEADER,
    TRANSLATED_HEADER,
)
from server.wire.lanes import PRIORITY_HEADER

TRY_ELSEWHERE = frozenset({429, 502, 503, 504})
"""A worker's answers that another worker may better."""
DENIED = frozenset({401, 403})
"""It does not trust this gateway: no key of the client's has got that far."""
WORKER_LATER_MS = 100
"""A worker gives up so much later than the gateway, which knows best how to say it."""
_DEADLINE = DEADLINE_HEADER.encode()
_PRIORITY = PRIORITY_HEADER.encode()
_TRANSLATED: Header = (TRANSLATED_HEADER.encode(), b"1")


class Refused(TransportError):
    """The worker answered with a status that another worker may better."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the worker answered {status}")
        self.status = status


class Denied(TransportError):
    pass


class Asking:
    def __init__(
        self, http: HTTPClient, fastchat: FastChatUpstream, secret: SecretStr, gateway_id: str
    ) -> None:
        self._http = http
        self._fastchat = fastchat
        self._headers: tuple[Header, ...] = (
            JSON,
            (SECRET_HEADER.encode(), secret.get_secret_value().encode()),
            (GATEWAY_HEADER.encode(), gateway_id.encode()),
        )

    def at(self, delivery: Delivery, lease: Lease) -> AbstractAsyncContextManager[Upstream]:
        """What the worker of `lease` says to it, once entered: an answer that has begun.

        Entering it raises `TransportError`, and so does taking the answer; a `RequestError` is a
        FastChat worker's own.
        """
        asked = delivery.asked
        if asked.stream or delivery.tries > 1:
            delivery.limit.allow(FIRST_TOKEN_S if asked.stream else WHOLE_REQUEST_S)
        movable = not (delivery.started or delivery.is_last)
        worker = lease.worker
        if worker.view.protocol == "fastchat":
            return self._at_fastchat(delivery, lease, movable)
        exchange = self._http.at(worker.origin).request(
            asked.path,
            asked.body_for(lease.model),
            self._headers,
            more=self._headers_of(delivery),
        )
        if movable:
            lease.leave = exchange.abort
        return exchange

    def _headers_of(self, delivery: Delivery) -> list[Header]:
        """What a worker is told of this request alone."""
        record = delivery.record
        headers = [(b"x-request-id", record.request_id.encode()), *delivery.whose]
        if delivery.lane != "normal":
            headers.append((_PRIORITY, delivery.lane.encode()))
        if delivery.asked.translated:
            headers.append(_TRANSLATED)
        if delivery.asked.timeout_s is not None:
            left_ms = delivery.limit.left_s * 1000 + WORKER_LATER_MS
            headers.append((_DEADLINE, b"%d" % left_ms))
        if record.trace is not None:
            headers += record.trace_headers()
        return headers

    @asynccontextmanager
    async def _at_fastchat(
        self, delivery: Delivery, lease: Lease, movable: bool
    ) -> AsyncIterator[Upstream]:
        asked = delivery.asked
        if not asked.generates:
            raise NotFound("A FastChat worker counts no tokens for this path.", param="model")
        async with Movable() as moving:
            lease.leave = moving.move if movable else None
            try:
                async with self._fastchat.answer(
                    lease.worker.view.address, asked.ability, asked.fields_for(lease.model)
                ) as upstream:
                    yield upstream
            except RequestError as error:
                if delivery.started or error.status not in TRY_ELSEWHERE:
                    raise
                if not delivery.may_try_again:
                    raise
                raise Refused(error.status) from error


def check(status: int, delivery: Delivery) -> None:
    """Of an error: raises what makes something else of it than the answer."""
    if status == 504 and delivery.asked.timeout_s is not None:
        raise DeadlineExceeded("The answer was not there in the time that you gave it.")
    if status in TRY_ELSEWHERE and (delivery.may_try_again or _is_leaving(status, delivery)):
        raise Refused(status)
    if status in DENIED:
        raise Denied(f"the worker answered {status}")


def _is_leaving(status: int, delivery: Delivery) -> bool:
    """Its model is unloaded or swapped at this very moment."""
    return status == Unavailable.status and delivery.may_wait


def trouble_of(failure: TransportError | WorkerLost) -> Trouble | None:
    """What a failure says of the worker; a full one is in no trouble."""
    if isinstance(failure, ConnectFailed):
        return "refused"
    if isinstance(failure, Denied):
        return "denied"
    if isinstance(failure, Diverged) or isinstance(failure.__cause__, Diverged):
        return None  # it answers, only something else
    if isinstance(failure, Refused):
        return None if failure.status == 429 else "failed"
    return "lost"


def told(asked: Asked, failure: TransportError | WorkerLost, *, started: bool) -> RequestError:
    """What the client hears when nobody else can be asked."""
    if started:
        return WorkerLost(
            "The worker was lost in mid-answer, and no other one could go on with it; "
            "what came before is incomplete."
        )
    if isinstance(failure, Denied):
        return ProviderRefused(
            f"The worker for {asked.model!r} does not let this gateway in; "
            "the operator must check its key.",
            code=WORKER_REFUSED,
        )
    return Unavailable(
        f"The worker for {asked.model!r} was lost before it answered; try again shortly.",
        retry_after_s=RETRY_AFTER_S,
        code="worker_lost",
    )
