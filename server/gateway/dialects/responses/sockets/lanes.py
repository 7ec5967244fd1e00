"""What runs side by side on one connection, and what waits: a lane is a line of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from server.core.errors import BadRequest, Overloaded
from server.core.limits import MAX_PIPELINED, RETRY_AFTER_S
from server.gateway.dialects.responses.sockets.events import Create

MAX_LANES: Final = 32
"""With a name; the one without is always there."""
MAX_RUNNING: Final = 16
"""Of all lanes together; others wait."""


class Lanes:
    """Each is first in, first out."""

    def __init__(self, answer: Callable[[Create], Awaitable[None]]) -> None:
        """`answer` must not raise."""
        self._answer = answer
        self._lanes: dict[str, deque[Create]] = {"": deque()}
        self._places = asyncio.Semaphore(MAX_RUNNING)
        self.pending = 0
        """Running and waiting ones."""

    def add(self, create: Create, tasks: asyncio.TaskGroup) -> None:
        """Raises `BadRequest` and `Overloaded`."""
        lane = self._lanes.get(create.lane)
        if lane is None and len(self._lanes) > MAX_LANES:
            raise BadRequest(
                f"One connection has at most {MAX_LANES} stream_ids; use one of them again, "
                "or another connection.",
                param="stream_id",
                code="websocket_stream_limit_reached",
            )
        if self.pending >= MAX_RUNNING + MAX_PIPELINED:
            raise Overloaded(
                f"{self.pending} responses run or wait on this connection.",
                retry_after_s=RETRY_AFTER_S,
            )
        if lane is None:
            lane = self._lanes[create.lane] = deque()
        lane.append(create)
        self.pending += 1
        if len(lane) == 1:
            tasks.create_task(self._serve(lane), name="answering on a socket")

    async def _serve(self, lane: deque[Create]) -> None:
        while lane:
            async with self._places:
                await self._answer(lane[0])
            lane.popleft()
            self.pending -= 1
