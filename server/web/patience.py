"""One time limit for everything a relayed request waits for, and what else ends it."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Literal, Self

from server.core.errors import DeadlineExceeded, Unauthorized, Unavailable, UpstreamTimeout
from server.web.asgi import ClientLeft, Receive, listen_of, until_left
from server.web.drain import Drain

Wait = Literal["upstream", "client"]
Reason = Literal["late", "client left", "server ends", "key revoked"]


class Patience:
    """Cancels its block when its time is up, its client left, its key is revoked, or the server
    must end.

    Enter it once the request body has been read. The block may wait `whole_s` in all; `allow`
    says how much of that the next wait may take. Raises `UpstreamTimeout`, `DeadlineExceeded`,
    `ClientLeft`, `Unauthorized` or `Unavailable`.

    `allow` is called twice for each token, so it only notes when time will be up; the one timer
    looks at the note when it fires.
    """

    __slots__ = (
        "_cancels", "_deadline", "_drain", "_due", "_end", "_listen", "_looks_at", "_loop",
        "_reason", "_receive", "_task", "_timer", "_wait", "_watcher",
    )  # fmt: skip

    def __init__(
        self, receive: Receive, drain: Drain, whole_s: float, deadline_s: float | None = None
    ) -> None:
        """`deadline_s`: the client's own limit; it counts if it is shorter than `whole_s`."""
        self._receive = receive
        self._drain = drain
        self._loop = asyncio.get_running_loop()
        self._deadline = deadline_s is not None and deadline_s < whole_s
        if deadline_s is not None and deadline_s < whole_s:
            whole_s = deadline_s
        self._end = self._due = self._loop.time() + whole_s
        self._wait: Wait = "upstream"
        self._reason: Reason | None = None
        self._task: asyncio.Task[object] | None = None

    async def __aenter__(self) -> Self:
        # What `asyncio.timeout` would do; spelt out, it costs each request half of that.
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancels = self._task.cancelling()
        self._look_at(self._due)
        self._listen = listen_of(self._receive)
        if self._listen is not None:
            self._listen(self._leave)
        else:
            self._watcher = self._loop.create_task(self._watch())
        self._drain.cuts.add(self.cut)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._drain.cuts.discard(self.cut)
        self._timer.cancel()
        if self._listen is not None:
            self._listen(None)
        else:
            self._watcher.cancel()
        task, self._task = self._task, None
        if self._reason is None or task is None:
            return
        if task.uncancel() <= self._cancels and kind is asyncio.CancelledError:
            raise self._verdict() from error

    def allow(self, seconds: float, wait: Wait = "upstream") -> None:
        """From now on, no longer than `seconds`, and never beyond the end of the whole."""
        self._wait = wait
        self._due = due = min(self._loop.time() + seconds, self._end)
        if due < self._looks_at:
            self._timer.cancel()
            self._look_at(due)

    @property
    def left_s(self) -> float:
        """Until the end of the whole."""
        return max(0.0, self._end - self._loop.time())

    def cut(self) -> None:
        """The server must end."""
        self._end_because("server ends")

    def revoke(self) -> None:
        """Its key is good no more."""
        self._end_because("key revoked")

    def _look(self) -> None:
        if self._loop.time() >= self._due:
            self._end_because("client left" if self._wait == "client" else "late")
        else:
            self._look_at(self._due)

    def _look_at(self, when: float) -> None:
        self._looks_at = when
        self._timer = self._loop.call_at(when, self._look)

    async def _watch(self) -> None:
        await until_left(self._receive)
        self._leave()

    def _leave(self) -> None:
        self._end_because("client left")

    def _end_because(self, reason: Reason) -> None:
        if self._reason is None and self._task is not None:
            self._reason = reason
            self._task.cancel()

    def _verdict(self) -> Exception:
        if self._reason == "client left":
            return ClientLeft()
        if self._reason == "server ends":
            return Unavailable("This server is shutting down.", retry_after_s=1)
        if self._reason == "key revoked":
            return Unauthorized("This API key was revoked.")
        if self._deadline and self._loop.time() >= self._end:
            return DeadlineExceeded("The answer was not there in the time that you gave it.")
        return UpstreamTimeout("The model took too long to answer.")
