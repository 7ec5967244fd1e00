"""The hot path: read what routing needs, pick a worker, pass its answer on.

    Relay.serve > _deliver > _attempt > Delivery.pass_on

Each adds one concern: the body and its limits, another worker while nothing has been sent, one
worker, the bytes.
"""

from __future__ import annotations

import logging

from pydantic import SecretStr

from server.clients.connection import Header
from server.clients.http import HTTPClient
from server.core.errors import (
    ConnectFailed,
    NotFound,
    ProviderRefused,
    RequestError,
    TransportError,
    Unavailable,
)
from server.core.limits import (
    FIRST_TOKEN_S,
    MAX_CHAT_BYTES,
    MAX_JSON_BYTES,
    RETRY_AFTER_S,
    WHOLE_REQUEST_S,
)
from server.gateway.asked import Asked, parse_asked
from server.gateway.breaker import Trouble
from server.gateway.fastchat.upstream import FastChatUpstream
from server.gateway.fleet import Fleet
from server.gateway.journey import Journey
from server.gateway.movable import Movable
from server.gateway.retry_budget import RetryBudget
from server.gateway.routes import Routes
from server.gateway.worker import Lease
from server.web.asgi import JSON, Receive, Scope, Send, read_body
from server.web.drain import Drain
from server.web.edge import request_id_of
from server.web.patience import Patience
from server.web.relay import Stream, Upstream, end_with_error, is_stream, read_whole, send_answer
from server.wire.fleet import GATEWAY_HEADER, SECRET_HEADER, Ability

log = logging.getLogger(__name__)

TRY_ELSEWHERE = frozenset({429, 502, 503, 504})
"""A worker's answers that another worker may better."""
DENIED = frozenset({401, 403})
"""It does not trust this gateway: no key of the client's has got that far."""


class Relay:
    def __init__(
        self,
        fleet: Fleet,
        routes: Routes,
        http: HTTPClient,
        fastchat: FastChatUpstream,
        drain: Drain,
        secret: SecretStr,
        gateway_id: str,
    ) -> None:
        self._fleet = fleet
        self._routes = routes
        self._budget = RetryBudget()
        self._http = http
        self._fastchat = fastchat
        self._drain = drain
        self._headers: tuple[Header, ...] = (
            JSON,
            (SECRET_HEADER.encode(), secret.get_secret_value().encode()),
            (GATEWAY_HEADER.encode(), gateway_id.encode()),
        )

    async def serve(self, ability: Ability, scope: Scope, receive: Receive, send: Send) -> None:
        max_bytes = MAX_CHAT_BYTES if ability == "chat" else MAX_JSON_BYTES
        body = await read_body(scope, receive, max_bytes)
        asked = parse_asked(scope["path"].encode(), ability, body)
        request_id = request_id_of(scope)
        models = self._routes.models_for(asked.model)
        journey = Journey(self._fleet, self._budget, models, asked.ability, request_id)
        delivery = Delivery(asked, send, request_id, journey)
        try:
            async with Patience(receive, self._drain, WHOLE_REQUEST_S) as limit:
                await self._deliver(delivery, limit)
        except RequestError as error:
            if not delivery.started:
                raise
            await end_with_error(send, error, request_id)
            log.warning(
                "stream ended with an error",
                extra={"request_id": request_id, "model": asked.model, "code": error.code},
            )

    async def _deliver(self, delivery: Delivery, limit: Patience) -> None:
        """Ask one worker after another until one has begun to answer."""
        journey = delivery.journey
        while True:
            with journey.take() as lease:
                delivery.lease = lease
                if not delivery.asked.generates:
                    lease.release()
                try:
                    await self._attempt(delivery, lease, limit)
                    return
                except ConnectFailed as error:
                    journey.not_sent()
                    lease.fail("refused")
                    cause: TransportError = error
                except TransportError as error:
                    lease.fail(_trouble(error))
                    cause = error
            _note_failure(delivery, lease, cause)
            if not journey.may_go_on:
                raise _told(delivery.asked, cause) from cause

    async def _attempt(self, delivery: Delivery, lease: Lease, limit: Patience) -> None:
        """Ask one worker. Raises `TransportError` only while nothing has been sent."""
        limit.allow(FIRST_TOKEN_S if delivery.asked.stream else WHOLE_REQUEST_S)
        async with Movable() as movable:
            delivery.movable = movable
            if not delivery.journey.is_last:
                lease.movable = movable
            if lease.worker.view.protocol == "fastchat":
                await self._ask_fastchat(delivery, lease, limit)
            else:
                await self._ask(delivery, lease, limit)

    async def _ask(self, delivery: Delivery, lease: Lease, limit: Patience) -> None:
        asked = delivery.asked
        headers = (*self._headers, (b"x-request-id", delivery.request_id.encode()))
        async with self._http.request(
            lease.worker.origin, asked.path, asked.body_for(lease.model), headers
        ) as upstream:
            if upstream.status in TRY_ELSEWHERE and delivery.journey.may_go_on:
                raise Refused(upstream.status)
            if upstream.status in DENIED:
                raise Denied(f"the worker answered {upstream.status}")
            await delivery.pass_on(upstream, limit)

    async def _ask_fastchat(self, delivery: Delivery, lease: Lease, limit: Patience) -> None:
        asked = delivery.asked
        if not asked.generates:
            raise NotFound("A FastChat worker counts no tokens for this path.", param="model")
        try:
            async with self._fastchat.answer(
                lease.worker.view.address, asked.ability, asked.fields_for(lease.model)
            ) as upstream:
                await delivery.pass_on(upstream, limit)
        except RequestError as error:
            if delivery.started or error.status not in TRY_ELSEWHERE:
                raise
            if not delivery.journey.may_go_on:
                raise
            raise Refused(error.status) from error


class Refused(TransportError):
    """The worker answered with a status that another worker may better."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the worker answered {status}")
        self.status = status


class Delivery:
    """One request on its way to its client."""

    __slots__ = ("asked", "journey", "lease", "movable", "request_id", "send", "started")

    def __init__(self, asked: Asked, send: Send, request_id: str, journey: Journey) -> None:
        self.asked = asked
        self.journey = journey
        self.send = send
        self.request_id = request_id
        self.started = False
        self.lease: Lease | None = None
        self.movable: Movable | None = None

    async def pass_on(self, upstream: Upstream, limit: Patience) -> None:
        """Once there is something to send, the request stays where it is."""
        if is_stream(upstream):
            stream = Stream(upstream, limit, one_choice=self.asked.fields.get("n") in (None, 1))
            await stream.open()
            self._settle(upstream.status)
            await stream.pass_on(self.send)
        else:
            body = await read_whole(upstream, limit)
            self._settle(upstream.status)
            await send_answer(self.send, upstream, body, limit)

    def _settle(self, status: int) -> None:
        self.started = True
        if self.lease is not None and self.asked.generates:
            if status >= 500:
                self.lease.fail("failed")
            else:
                self.lease.answered()
        if self.movable is not None:
            self.movable.settle()


class Denied(TransportError):
    pass


def _trouble(error: TransportError) -> Trouble | None:
    """What a failure before the first byte says of the worker; a full one is in no trouble."""
    if isinstance(error, Denied):
        return "denied"
    if isinstance(error, Refused):
        return None if error.status == 429 else "failed"
    return "lost"


def _told(asked: Asked, cause: TransportError) -> RequestError:
    """What the client hears when nobody else can be asked."""
    if isinstance(cause, Denied):
        return ProviderRefused(
            f"The worker for {asked.model!r} does not let this gateway in; "
            "the operator must check its key.",
            code="worker_refused",
        )
    return Unavailable(
        f"The worker for {asked.model!r} was lost before it answered; try again shortly.",
        retry_after_s=RETRY_AFTER_S,
        code="worker_lost",
    )


def _note_failure(delivery: Delivery, lease: Lease, cause: TransportError) -> None:
    log.warning(
        "worker failed before its first byte",
        extra={
            "request_id": delivery.request_id,
            "address": lease.worker.view.address,
            "model": delivery.asked.model,
            "cause": str(cause),
        },
    )
