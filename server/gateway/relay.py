"""The hot path: read what routing needs, pick a worker, pass its answer on.

    Relay.serve > _admitted > _deliver > Delivery.pass_on

Each adds one concern: the body and the record of it all, the limits of its key, one worker after
another, the bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from server.core.errors import (
    ModelNotFound,
    RequestError,
    TransportError,
    Unavailable,
    UpstreamTimeout,
    WorkerLost,
)
from server.core.limits import MAX_CHAT_BYTES, MAX_JSON_BYTES, WHOLE_REQUEST_S
from server.gateway.affinity import Affinity, affinity_key
from server.gateway.asked import Asked, parse_asked
from server.gateway.asking import Asking, check, told, trouble_of
from server.gateway.customers.customers import OURS, Customers
from server.gateway.customers.whose import told_by_app
from server.gateway.delivery import Delivery
from server.gateway.failover.delivered import Shelf
from server.gateway.fleet import Fleet
from server.gateway.retry_budget import RetryBudget
from server.gateway.routes import Routes
from server.gateway.sight.record import Record
from server.gateway.sight.sight import Sight
from server.gateway.unrecorded import RECORDED
from server.gateway.waking import Waking
from server.gateway.worker import Lease
from server.ledger.key import Key
from server.web.asgi import Receive, Scope, Send, read_body
from server.web.drain import Drain
from server.web.edge import request_id_of
from server.web.patience import Patience
from server.web.relay import end_with_error
from server.wire.fleet import Ability

log = logging.getLogger(__name__)

PERHAPS_USED = frozenset({"worker_lost", "upstream_timeout", "deadline_exceeded"})
"""Codes of errors after which nobody can tell how many tokens a worker has made: all that was set
aside for the request counts as used."""


Keep = Callable[[Asked, Scope, Receive, Send], tuple[Receive, Send]]


@dataclass(frozen=True, slots=True)
class Relay:
    """`affinity`: which requests stay together. `failover`: whether a stream may go on elsewhere
    when its worker dies. `keep`: who stands between it and the client of an answer that may have to
    be kept, as its request says something of `store`."""

    fleet: Fleet
    routes: Routes
    customers: Customers
    sight: Sight
    asking: Asking
    waking: Waking
    drain: Drain
    budget: RetryBudget = field(default_factory=RetryBudget)
    affinity: Affinity = "none"
    failover: bool = True
    shelf: Shelf = field(default_factory=Shelf)
    keep: Keep | None = None

    async def serve(
        self,
        ability: Ability,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        seen_as: str | None = None,
    ) -> None:
        """`seen_as`: the path that its client asked, where this request was made of another API's;
        one of few, since traces are named after it."""
        key: Key | None = scope["state"].get("key")
        max_bytes = MAX_CHAT_BYTES if ability == "chat" else MAX_JSON_BYTES
        body = await read_body(scope, receive, max_bytes)
        asked = parse_asked(scope, ability, body)
        asked.translated = seen_as is not None
        if "store" in asked.fields and self.keep is not None:
            receive, send = self.keep(asked, scope, receive, send)
        record = self.sight.begin(
            request_id_of(scope),
            seen_as or scope["path"],
            asked.model,
            stream=asked.stream,
            lane=(key.lane if key else None) or asked.lane,
            key_id=key.id if key else "",
            headers=scope["headers"],
        )
        if asked.timeout_s is not None:
            record.note(f"its client gives it {asked.timeout_s:g} s")
        try:
            await self._admitted(asked, key, record, scope, receive, send)
        except BaseException as error:
            record.ended_by(error)
            scope["state"][RECORDED] = True
            raise
        finally:
            self.sight.end(record)

    async def _admitted(
        self,
        asked: Asked,
        key: Key | None,
        record: Record,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        models = self.routes.models_for(asked.model)
        tokens = self._most_tokens(asked, models) if self.customers.counts_tokens(key) else 0
        grant = self.customers.try_admit(key, asked.model, asked.lane, tokens)
        if grant is None:
            grant = await self.customers.admit(key, asked.model, asked.lane, tokens)
        with grant:
            record.admitted()
            limit = Patience(receive, self.drain, WHOLE_REQUEST_S, asked.timeout_s)
            grant.when_revoked(limit.revoke)
            shelf = self.shelf if self.failover else None
            delivery = Delivery(
                self.fleet, self.budget, models, asked, record, grant, limit, send, shelf
            )
            if key is OURS:
                delivery.whose = told_by_app(key.id, scope)
            if self.affinity != "none":
                delivery.affinity = affinity_key(self.affinity, scope, asked.fields)
            try:
                with limit:
                    await self._deliver(delivery)
            except RequestError as error:
                await self._end(delivery, error)
            finally:
                delivery.close()
                if delivery.usage is None:
                    grant.assume(self._most_tokens(asked, models))

    def _most_tokens(self, asked: Asked, models: Sequence[str]) -> int:
        """That it can use, wherever it goes."""
        return asked.most_tokens(self.fleet.context_length(models)) if asked.generates else 0

    async def _end(self, delivery: Delivery, error: RequestError) -> None:
        """Say in a stream that has begun why it ends; before that it is the edge that says it."""
        unheard = delivery.started and _is_unheard(delivery)
        if isinstance(error, UpstreamTimeout) and delivery.lease is not None and not unheard:
            delivery.lease.fail("late")
            delivery.record.failed(delivery.lease.worker.view.address, "late", error)
        if not delivery.started or unheard:
            delivery.record.first_byte_at = None
            if not delivery.tries:
                delivery.grant.cancel(counts=not isinstance(error, ModelNotFound))
            elif delivery.usage is None and error.code not in PERHAPS_USED:
                delivery.grant.settle(0, 0, failed=True)
            raise error
        record = delivery.record
        record.ended_by(error)
        await end_with_error(delivery.send, error, record.request_id)
        log.warning(
            "stream ended with an error",
            extra={
                "request_id": record.request_id,
                "model": delivery.asked.model,
                "code": error.code,
            },
        )

    async def _deliver(self, delivery: Delivery) -> None:
        """Ask one worker after another until one has answered."""
        record = delivery.record
        while True:
            with await self._taken(delivery) as lease:
                address = lease.worker.view.address
                record.chose(address, lease.candidates, lease.model, lease.since)
                if not delivery.asked.generates:
                    lease.release()
                try:
                    async with self.asking.at(delivery, lease) as upstream:
                        if upstream.status >= 400:
                            check(upstream.status, delivery)
                        await delivery.pass_on(upstream)
                    return
                except (TransportError, WorkerLost) as error:
                    failure = error
                _note_failure(delivery, lease, failure)
            if not await delivery.may_go_on(failure) and (
                delivery.started or not delivery.may_wait
            ):
                raise told(delivery.asked, failure, started=delivery.started) from failure

    async def _taken(self, delivery: Delivery) -> Lease:
        """A place at a worker; for a model that is not loaded, once it is."""
        while True:
            try:
                lease = delivery.take()
            except Unavailable as reason:
                await self.waking.wait_for(delivery, reason)
                continue
            if delivery.passed:
                self.waking.hint(delivery.passed)
            return lease


def _is_unheard(delivery: Delivery) -> bool:
    """Whether nothing of its answer was sent: time may be up while a dialect keeps it."""
    served = delivery.limit.served
    return served is not None and not served.is_answered


def _note_failure(delivery: Delivery, lease: Lease, failure: TransportError | WorkerLost) -> None:
    trouble = trouble_of(failure)
    lease.fail(trouble)
    if trouble == "refused":
        delivery.not_sent()
    address = lease.worker.view.address
    delivery.record.failed(address, trouble, failure)
    log.warning(
        "worker failed",
        extra={
            "request_id": delivery.record.request_id,
            "address": address,
            "model": delivery.asked.model,
            "cause": str(failure.__cause__ or failure),
        },
    )
