"""A worker's heart: it registers with the controller, says how busy it is, and says goodbye.

It beats at a steady pace, and soon after it is stirred, as often as the controller can bear.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from random import uniform

from server.clients.fleet import ControllerClient
from server.core.errors import BadAnswer, TransportError
from server.core.ids import new_id
from server.core.limits import BEAT_SOON_S, HEARTBEAT_S
from server.web.background import kept_running
from server.wire.fleet import Beat, Load, Registered, Registration, WorkerRef
from server.worker.standing import Standing

log = logging.getLogger(__name__)

RETRY_MAX_S = 1.0
GOODBYE_S = 1.0


class Heart:
    """`load` is asked at every beat. Trouble with the controller is survived, never raised.

    Every registration is a new generation: what an earlier one still says is not believed. Only
    one that announces a change is the same.
    """

    def __init__(
        self,
        controller: ControllerClient,
        registration: Registration,
        load: Callable[[], Load],
        *,
        standing: Standing | None = None,
        draining: bool = False,
    ) -> None:
        """`standing` hears whether the controller takes us in; `draining`: it is to send us
        nothing new from the first."""
        self._controller = controller
        self._registration = registration
        self._load = load
        self._standing = standing or Standing()
        self._left = False
        self.draining = draining
        """As the controller said last."""
        self._known = False
        """The controller knows us as we are now."""
        self._registered: Registration | None = None
        """The last one that was sent."""
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """The load has changed: the controller hears of it with a beat that comes soon."""
        self._stirred.set()

    def announce(self, registration: Registration) -> None:
        """What it offers is another thing now: the controller hears of it soon. It is the same
        worker, so what operators have said of it stays."""
        generation = self._registration.generation
        self._registration = registration.model_copy(update={"generation": generation})
        self._known = False
        self.stir()

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
        failures = 0
        while not self._left:
            try:
                answer = await (self._beat() if self._known else self._register())
                if answer.known:
                    self.draining = answer.draining
                    self._standing.taken()
                failures = 0
                if answer.known:
                    await self._rest(answer)
            except TransportError as error:  # the client logs it, once a minute
                if isinstance(error, BadAnswer):
                    self._standing.refused(str(error))
                failures += 1
                await asyncio.sleep(min(RETRY_MAX_S, 0.1 * 2**failures) * uniform(0.8, 1.2))
        await asyncio.Event().wait()  # a worker that has left must not register again

    async def _rest(self, answer: Registered) -> None:
        """Until the next beat: it comes sooner if there is something to say."""
        beat_s = min(answer.beat_s, HEARTBEAT_S)
        soon_s = min(max(answer.soon_s, BEAT_SOON_S), beat_s)
        await asyncio.sleep(soon_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(beat_s - soon_s):
                await self._stirred.wait()

    def _look(self) -> Load:
        """What is said now; whoever stirs us from here on has something new."""
        self._stirred.clear()
        return self._load()

    async def _register(self) -> Registered:
        last = self._registration
        again = last.generation if last is not self._registered else ""
        own = self._registration = last.model_copy(
            update={
                "load": self._look(),
                "generation": again or new_id("gen"),
                "draining": self.draining,
            }
        )
        self._registered = own
        answer = await self._controller.register(own)
        log.info("registered", extra={"generation": own.generation})
        self._known = answer.known and self._registration is own  # it may be another one by now
        return answer

    async def _beat(self) -> Registered:
        own = self._registration
        answer = await self._controller.beat(
            Beat(address=own.address, generation=own.generation, load=self._look())
        )
        self._known = answer.known and self._registration is own
        return answer

    async def _leave(self) -> None:
        own = self._registration
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self._controller.leave(
                    WorkerRef(address=own.address, generation=own.generation)
                )
        except (TransportError, TimeoutError):
            log.info("left without a goodbye", extra={"address": own.address})
