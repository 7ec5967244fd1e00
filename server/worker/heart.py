"""A worker's heart: it registers with the controller, says how busy it is, and says goodbye."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import uniform

from server.clients.fleet import ControllerClient
from server.core.errors import TransportError
from server.core.ids import new_id
from server.core.limits import HEARTBEAT_S
from server.web.background import kept_running
from server.wire.fleet import Beat, Load, Registered, Registration, WorkerRef

log = logging.getLogger(__name__)

RETRY_MAX_S = 1.0
GOODBYE_S = 1.0


class Heart:
    """`load` is asked at every beat. Trouble with the controller is survived, never raised.

    Every registration is a new generation: what an earlier one still says is not believed.
    """

    def __init__(
        self, controller: ControllerClient, registration: Registration, load: Callable[[], Load]
    ) -> None:
        self._controller = controller
        self._registration = registration
        self._load = load
        self._left = False
        self._draining = False

    @asynccontextmanager
    async def beating(self, draining: asyncio.Event) -> AsyncIterator[None]:
        """Beat until the block ends; leave the fleet as soon as `draining` is set."""
        try:
            async with kept_running(self._live(), "beating"):
                leaving = asyncio.create_task(self._leave_when(draining))
                try:
                    yield
                finally:
                    leaving.cancel()
        finally:
            if not draining.is_set():
                await self._leave()
            await self._controller.aclose()

    async def _leave_when(self, draining: asyncio.Event) -> None:
        await draining.wait()
        self._left = True
        await self._leave()

    async def _live(self) -> None:
        known = False
        failures = 0
        while not self._left:
            try:
                answer = await (self._beat() if known else self._register())
                known = answer.known
                if known:
                    self._draining = answer.draining
                failures = 0
                pause_s = answer.beat_s if known else 0.0
            except TransportError:  # the client logs it, once a minute
                failures += 1
                pause_s = min(RETRY_MAX_S, 0.1 * 2**failures) * uniform(0.8, 1.2)
            await asyncio.sleep(min(pause_s, HEARTBEAT_S))
        await asyncio.Event().wait()  # a worker that has left must not register again

    async def _register(self) -> Registered:
        self._registration = self._registration.model_copy(
            update={
                "load": self._load(),
                "generation": new_id("gen"),
                "draining": self._draining,
            }
        )
        answer = await self._controller.register(self._registration)
        log.info("registered", extra={"generation": self._registration.generation})
        return answer

    async def _beat(self) -> Registered:
        own = self._registration
        return await self._controller.beat(
            Beat(address=own.address, generation=own.generation, load=self._load())
        )

    async def _leave(self) -> None:
        own = self._registration
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self._controller.leave(
                    WorkerRef(address=own.address, generation=own.generation)
                )
        except (TransportError, TimeoutError):
            log.info("left without a goodbye", extra={"address": own.address})
