"""One time limit for everything a relayed request waits for, and what else ends it."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Literal, Self

from server.core.errors import DeadlineExceeded, Unauthorized, Unavailable, UpstreamTimeout
from server.web.asgi import ClientLeft, Receive, served_by, until_left
from server.web.drain import Drain

EXACT_S = 2.0
"""A shorter wait must not end late."""
Wait = Literal["upstream", "client"]
Reason = Literal["late", "client left", "server ends", "key revoked"]


class Patience:
    """Cancels its block when its time is up, its client left, its key is revoked, or the server
    must end.

    Enter it once the request body has been read. The block may wait `whole_s` in all; `allow`
    says how much of that the next wait may take. Raises `UpstreamTimeout`, `DeadlineExceeded`,
    `ClientLeft`, `Unauthorized` or `Unavailable`.

    Allowances are made for each token, so they only note when time will be up; the drain's rounds
    look at the notes of all. What is short, or was asked for by the client, has a timer of its own.
    """

    __slots__ = (
        "_cancels", "_deadline", "_due", "_each_s", "_end", "_loop", "_reason", "_receive",
        "_rounds", "_task", "_timer", "_wait", "_watcher", "now", "served",
    )  # fmt: skip

    _task: asyncio.Task[object] | None

    def __init__(
        self, receive: Receive, drain: Drain, whole_s: float, deadline_s: float | None = None
    ) -> None:
        """`deadline_s`: the client's own limit; it counts if it is shorter than `whole_s`."""
        self.served = own = served_by(receive)
        """None at another server than ours."""
        self._receive = receive
        self._rounds = drain.rounds
        # To ask for the loop that runs is a system call, where it is not known already.
        self._loop = loop = own.loop if own is not None else asyncio.get_running_loop()
        self.now = loop.time
        self._deadline = False
        if deadline_s is not None and deadline_s < whole_s:
            self._deadline = True
            whole_s = deadline_s
        self._each_s = whole_s
        self._end = self._due = loop.time() + whole_s
        self._wait: Wait = "upstream"
        self._reason: Reason | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        # What `asyncio.timeout` would do; spelt out, it costs each request half of that.
        self._task = task = asyncio.current_task(self._loop)
        assert task is not None
        self._cancels = task.cancelling()
        self._rounds.join(self, self._loop)
        if self._deadline or self._each_s < EXACT_S:
            self._set_timer(self._end)
        if self.served is not None:
            self.served.listen(self._leave)
        else:
            self._watcher = self._loop.create_task(self._watch())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rounds.waiting.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self.served is not None:
            self.served.listen(None)
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
        self._each_s = seconds
        self._due = self.now() + seconds
        if seconds < EXACT_S:
            self._set_timer(min(self._due, self._end))

    def allow_again(self) -> None:
        """As long as the last time, from now on."""
        self._due = self.now() + self._each_s

    @property
    def left_s(self) -> float:
        """Until the end of the whole."""
        return max(0.0, self._end - self.now())

    def cut(self) -> None:
        """The server must end."""
        self._end_because("server ends")

    def revoke(self) -> None:
        """Its key is good no more."""
        self._end_because("key revoked")

    def look(self, now: float) -> None:
        """For the rounds."""
        if now >= self._due or now >= self._end:
            self._end_because("client left" if self._waits_for_client() else "late")

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self.now()
        self.look(now)
        due = min(self._due, self._end)
        if now < due and (self._deadline or due < now + EXACT_S):
            self._set_timer(due)

    async def _watch(self) -> None:
        await until_left(self._receive)
        self._leave()

    def _waits_for_client(self) -> bool:
        """Not before it was sent something: what keeps an answer from it is its server's affair."""
        return self._wait == "client" and (self.served is None or self.served.is_answered)

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
        if self._deadline and self.now() >= self._end:
            return DeadlineExceeded("The answer was not there in the time that you gave it.")
        return UpstreamTimeout("The model took too long to answer.")
