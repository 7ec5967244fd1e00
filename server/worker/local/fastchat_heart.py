"""A local model in a FastChat controller's fleet, so that FastChat's API server can use it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import uniform
from typing import Final

import orjson
from pydantic import BaseModel

from server.clients.calls import about, fetch
from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.core.clock import Clock, SystemClock
from server.core.errors import BadAnswer, TransportError
from server.wire.fastchat import HeartBeat, RegisterWorker, WorkerStatus

log = logging.getLogger(__name__)

BEAT_S: Final = 15.0
"""FastChat's own workers beat every 45 s and are forgotten after 90."""
RETRY_S: Final = 1.0
CALL_S: Final = 5.0
COMPLAIN_S: Final = 60.0


class FastChatHeart:
    """FastChat knows no goodbye: it forgets a worker whose status it cannot get any more."""

    def __init__(
        self,
        controller_url: str,
        address: str,
        status: Callable[[], WorkerStatus],
        *,
        clock: Clock | None = None,
    ) -> None:
        self._address = address
        self._status = status
        self._clock = clock or SystemClock()
        self._peer = f"the FastChat controller at {controller_url}"
        self._complained = -COMPLAIN_S
        self._origin = Origin.parse(controller_url)
        self._http = HTTPClient()

    @asynccontextmanager
    async def beating(self, draining: asyncio.Event) -> AsyncIterator[None]:
        """Beat until the block ends or `draining` is set."""
        life = asyncio.create_task(self._live(draining))
        try:
            yield
        finally:
            life.cancel()
            await asyncio.wait([life])
            self._http.close()

    async def _live(self, draining: asyncio.Event) -> None:
        known = False
        while not draining.is_set():
            try:
                known = await (self._beat() if known else self._register())
                pause_s = BEAT_S if known else 0.0
            except TransportError as error:
                self._complain(error)
                pause_s = RETRY_S * uniform(0.8, 1.2)
            await asyncio.sleep(pause_s)

    async def _register(self) -> bool:
        message = RegisterWorker(
            worker_name=self._address, check_heart_beat=True, worker_status=self._status()
        )
        await self._tell("/register_worker", message)
        log.info("registered with FastChat", extra={"address": self._address})
        return True

    async def _beat(self) -> bool:
        message = HeartBeat(worker_name=self._address, queue_length=self._status().queue_length)
        answer = await self._tell("/receive_heart_beat", message)
        return isinstance(answer, dict) and answer.get("exist") is True

    async def _tell(self, path: str, message: BaseModel) -> object:
        with about(self._peer):
            said = await fetch(
                self._http,
                self._origin,
                path.encode(),
                message.model_dump_json().encode(),
                ((b"content-type", b"application/json"),),
                within_s=CALL_S,
            )
        if said.status != 200:
            raise BadAnswer(f"{self._peer} answered {said.status}")
        try:
            return orjson.loads(said.body)
        except ValueError as error:
            raise BadAnswer(f"{self._peer} sent something that is not JSON") from error

    def _complain(self, error: TransportError) -> None:
        now = self._clock.monotonic()
        if now - self._complained >= COMPLAIN_S:
            self._complained = now
            log.warning("trouble with FastChat's controller", extra={"reason": str(error)})
