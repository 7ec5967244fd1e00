"""One client's connection: what it says, and why it ends."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from websockets.frames import CloseCode

from server.core.errors import BadRequest, Internal, RequestError, Unavailable
from server.core.ids import new_id
from server.core.limits import SOCKET_S
from server.gateway.dialects.responses.creating import Creating
from server.gateway.dialects.responses.order import Order
from server.gateway.dialects.responses.sockets.events import (
    STEER,
    Create,
    lane_of,
    not_steered,
    problem,
    read_create,
    read_event,
)
from server.gateway.dialects.responses.sockets.lanes import Lanes
from server.gateway.dialects.responses.sockets.memory import Recollection
from server.gateway.dialects.responses.sockets.turn import Turn
from server.gateway.nobody import no_such_model
from server.gateway.relay import Relay
from server.gateway.unrecorded import note_refusal
from server.web.asgi import ClientLeft, Scope
from server.web.websocket.socket import Message, Socket

log = logging.getLogger(__name__)

_GOES_ON: Final = ("completed", "incomplete")


class Conversation:
    """Each response is a request of its own: to keys, limits and the journal, as over HTTP."""

    def __init__(
        self,
        relay: Relay,
        creating: Creating,
        recollection: Recollection,
        socket: Socket,
        scope: Scope,
    ) -> None:
        """`scope`: of the request that was upgraded."""
        self._relay = relay
        self._creating = creating
        self._recollection = recollection
        self._socket = socket
        self._scope = scope
        self._loop = asyncio.get_running_loop()
        self._lanes = Lanes(self._answer)
        self._turns: set[Turn] = set()
        self._end = self._loop.time() + SOCKET_S

    async def run(self) -> None:
        """Until either side ends it."""
        rounds, socket = self._relay.drain.rounds, self._socket
        socket.listener = self._leave
        rounds.join(self, self._loop)
        try:
            async with asyncio.TaskGroup() as tasks:
                while (message := await socket.receive()) is not None:
                    self._hear(message, tasks)
                    await asyncio.sleep(0)  # who says much must not keep others from being heard
                    await socket.unblocked()
        finally:
            rounds.waiting.discard(self)
            self._recollection.clear()

    # for the rounds ----------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """What nobody waits for ends as soon as it should."""
        self._socket.look(now)
        if self._socket.over or self._lanes.pending:
            return
        try:
            self._check(self._scope)
        except Unavailable as error:
            self._socket.close(CloseCode.GOING_AWAY, error.message)
        except RequestError as error:
            self._socket.send([problem(error, "", self._scope["state"]["request_id"])])
            is_key = error.status == 401
            code = CloseCode.POLICY_VIOLATION if is_key else CloseCode.NORMAL_CLOSURE
            self._socket.close(code, error.message)

    def cut(self) -> None:
        """What runs is cut by itself; then there is nothing to wait for."""

    # what a client says ------------------------------------------------------------------------

    def _hear(self, message: Message, tasks: asyncio.TaskGroup) -> None:
        scope, lane = self._turns_scope(), ""
        try:
            event = read_event(message)
            lane = lane_of(event)
            if event.get("type") == STEER:
                self._socket.send([not_steered(event)])
            else:
                create = read_create(event, lane, len(message.payload))
                self._check(scope)
                self._lanes.add(create, tasks)
                return
        except RequestError as error:
            self._refuse(error, scope, lane)
        self._socket.release(len(message.payload))

    def _check(self, scope: Scope) -> None:
        """Raises `Unavailable`, `Unauthorized` or `BadRequest` when nothing new may begin."""
        if self._relay.drain.is_ending:
            raise Unavailable("This server is shutting down.", retry_after_s=1)
        self._relay.customers.check(scope)
        if self._loop.time() >= self._end:
            raise BadRequest(
                f"This connection has lasted {SOCKET_S / 60:.0f} minutes; open a new one.",
                code="websocket_connection_limit_reached",
            )

    def _turns_scope(self) -> Scope:
        state = {**self._scope["state"], "request_id": new_id("req")}
        return {**self._scope, "method": "POST", "state": state}

    def _refuse(self, error: RequestError, scope: Scope, lane: str) -> None:
        note_refusal(self._relay.sight, scope, error)
        self._socket.send([problem(error, lane, scope["state"]["request_id"])])

    # one response ------------------------------------------------------------------------------

    async def _answer(self, create: Create) -> None:
        scope, turn = self._turns_scope(), Turn(self._socket, create.lane)
        order: Order | None = None
        self._turns.add(turn)
        try:
            if not self._socket.over:
                self._check(scope)
                order = await self._creating.order(create.body, scope, self._recollection.find)
                await self._make(order, create, scope, turn)
        except ClientLeft:
            pass
        except RequestError as error:
            self._refuse(error, scope, create.lane)
        except Exception:  # whatever it was, others go on
            log.exception("a response failed", extra={"request_id": scope["state"]["request_id"]})
            self._refuse(Internal("It failed here."), scope, create.lane)
        finally:
            self._turns.discard(turn)
            self._remember(create, order)
            self._socket.release(create.size)

    async def _make(self, order: Order, create: Create, scope: Scope, turn: Turn) -> None:
        if create.generate:
            await self._creating.make(order, scope, turn.receive, turn.send)
            return
        self._check_model(order.wish.model, scope)
        turn.tell(order.making.skip())
        await self._creating.keep(order)
        turn.tell(order.making.last())

    def _check_model(self, model: str, scope: Scope) -> None:
        """Raises `ModelNotFound` where one that is asked would."""
        relay = self._relay
        there = relay.fleet.models()
        if not relay.customers.allows(scope["state"].get("key"), model) or not any(
            name in there for name in relay.routes.models_for(model)
        ):
            raise no_such_model(model)

    def _remember(self, create: Create, order: Order | None) -> None:
        """A response that failed takes with it what it was to follow, in its own lane."""
        document = order.making.document if order is not None else None
        if document is None or document["status"] not in _GOES_ON:
            previous = create.body.get("previous_response_id")
            if previous is not None:
                self._recollection.forget(create.lane, previous)
        elif document["store"]:
            self._recollection.forget(create.lane)
        elif order is not None and not self._socket.over:
            self._recollection.put(create.lane, document["id"], order.said)

    def _leave(self) -> None:
        """Nobody hears the answers, so nobody need make them."""
        for turn in self._turns:
            turn.cancel()
