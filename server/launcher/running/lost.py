"""Tells the controller at once when a worker has ended, long before its beats are missed, and when
one is not coming back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from server.clients.fleet import ControllerClient
from server.core.errors import TransportError
from server.core.ids import name_here
from server.launcher.setup.prepare import Prepared
from server.wire.fleet import WorkerRef

log = logging.getLogger(__name__)

LIMIT_S = 1.0


class LossReporter:
    """Best effort: a controller that does not listen finds out by itself."""

    def __init__(self, prepared: Prepared) -> None:
        self.url = prepared.controller_url
        self._secret = prepared.secret
        self._client: ControllerClient | None = None

    async def report(self, address: str) -> None:
        await self._tell(lambda client: client.lost(WorkerRef(address=address)))

    async def dismiss(self, process: str) -> None:
        await self._tell(lambda client: client.dismiss(name_here(process)))

    async def _tell(self, what: Callable[[ControllerClient], Awaitable[None]]) -> None:
        if not self.url:
            return
        if self._client is None:
            self._client = ControllerClient(self.url, self._secret)
        try:
            async with asyncio.timeout(LIMIT_S):
                await what(self._client)
        except (TransportError, TimeoutError) as error:
            log.info("the controller did not hear of a loss", extra={"reason": str(error)})

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
