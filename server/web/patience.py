"""One time limit for everything a relayed request waits for, and three reasons to end it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

from server.core.errors import Unavailable, UpstreamTimeout
from server.web.asgi import ClientLeft, Receive, until_left
from server.web.drain import Drain

Wait = Literal["upstream", "client"]


class Patience:
    """How much longer this request may wait, and for whom."""

    __slots__ = ("_end", "_limit", "_loop", "_wait", "client_left")

    def __init__(self, limit: asyncio.Timeout, whole_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._end = self._loop.time() + whole_s
        self._wait: Wait = "upstream"
        self.client_left = False

    def allow(self, seconds: float, wait: Wait = "upstream") -> None:
        """From now on, no longer than `seconds`, and never beyond the end of the whole."""
        self._wait = wait
        if not self.client_left:
            self._limit.reschedule(min(self._loop.time() + seconds, self._end))

    def leave(self) -> None:
        self.client_left = True
        if not self._limit.expired():
            self._limit.reschedule(self._loop.time())

    def verdict(self, *, cutting: bool) -> Exception:
        """Why it ended."""
        if self.client_left or self._wait == "client":
            return ClientLeft()
        if cutting:
            return Unavailable("This server is shutting down.", retry_after_s=1)
        return UpstreamTimeout("The model took too long to answer.")


@asynccontextmanager
async def patience(receive: Receive, drain: Drain, whole_s: float) -> AsyncIterator[Patience]:
    """Cancel the block when its time is up, its client left, or the server must end.

    The request body must have been read. Raises `UpstreamTimeout`, `ClientLeft`, `Unavailable`.
    """
    waiting: Patience | None = None
    watcher = asyncio.create_task(until_left(receive))
    try:
        async with drain.deadline(whole_s) as limit:
            waiting = Patience(limit, whole_s)
            watcher.add_done_callback(_leaving(waiting))
            yield waiting
    except TimeoutError as error:
        if waiting is None or not limit.expired():
            raise
        raise waiting.verdict(cutting=drain.cutting) from error
    finally:
        watcher.cancel()


def _leaving(waiting: Patience) -> Callable[[asyncio.Task[None]], None]:
    def left(watcher: asyncio.Task[None]) -> None:
        if not watcher.cancelled():
            waiting.leave()

    return left
