"""One response from its order to its end, whatever its client speaks."""

from __future__ import annotations

import logging

from server.core.clock import Clock
from server.core.errors import RequestError
from server.gateway.dialects.kept.archive import Archive
from server.gateway.dialects.kept.door import owner_of
from server.gateway.dialects.kept.keeper import Keeper
from server.gateway.dialects.responses.order import Order, Recall, read_order
from server.gateway.dialects.values import Json
from server.gateway.dialects.via import through
from server.gateway.relay import Relay
from server.web.asgi import Receive, Scope, Send

log = logging.getLogger(__name__)


class Creating:
    def __init__(self, relay: Relay, archive: Archive, clock: Clock) -> None:
        self._relay = relay
        self._archive = archive
        self._clock = clock

    async def order(self, body: Json, scope: Scope, recall: Recall | None = None) -> Order:
        """Raises what `read_order` raises."""
        return await read_order(body, owner_of(scope), self._archive, self._clock, recall)

    async def make(self, order: Order, scope: Scope, receive: Receive, send: Send) -> None:
        """It is kept before its client hears of its end. Raises what `Relay.serve` raises."""
        keeper = Keeper(receive, send, order.making, lambda: self.keep(order))
        await through(
            self._relay,
            scope,
            keeper.receive,
            keeper.send,
            order.fields,
            order.making,
            names=order.names,
        )

    async def keep(self, order: Order) -> None:
        """If it cannot be, its client has it all the same, and sees that it is not stored."""
        changes = order.changes()
        if not changes:
            return
        try:
            await self._archive.put(*changes)
        except RequestError as error:
            log.warning("a response could not be kept", extra={"cause": error.message})
            order.making.document |= {"store": False, "conversation": None}
