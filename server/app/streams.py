"""Event streams to browsers: how many there may be, and what each of them looks like."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request

from server.core.errors import Unavailable
from server.core.limits import RETRY_AFTER_S, SSE_PING_S
from server.web.asgi import Send

log = logging.getLogger(__name__)

HEADERS = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}


class Streams:
    """Counts the open ones."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.open = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold it to the last byte. Raises `Unavailable` when there are too many."""
        if self.open >= self._most:
            raise Unavailable(
                f"There are {self._most} open streams already (chat.max_streams).",
                code="too_many_streams",
                retry_after_s=RETRY_AFTER_S,
            )
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


async def send_events(
    request: Request, send: Send, frames: AsyncIterator[bytes], headers: Mapping[str, str] = {}
) -> None:
    """Send whole frames as they come, until they end or nobody reads them any more."""
    response = EventSourceResponse(
        frames,
        headers={**HEADERS, **headers},
        ping=SSE_PING_S,
        ping_message_factory=_ping,
        sep="\n",
        send_timeout=None,  # `web/http1` hangs up on those who read nothing, for a tenth of it
    )
    await response(request.scope, request.receive, send)


def _ping() -> ServerSentEvent:
    return ServerSentEvent(comment="ping", sep="\n")
