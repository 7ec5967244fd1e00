"""What was set aside for one request of a key, until it is over."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from server.gateway.customers.meters import Meters
from server.gateway.customers.pool import Pool
from server.wire.lanes import Lane

MAX_TOKENS: Final = 100_000_000
"""Of one request; a worker that counts more counts wrong."""


class Grant:
    """Enter it; when the block ends, its place among the key's parallel requests is free again.

    Say before that how many tokens were used (`settle`), or that no worker was asked (`cancel`).
    Otherwise all that was set aside counts as used, because nobody can tell.
    """

    __slots__ = (
        "_day", "_on_revoked", "_open", "_pool", "_reserved", "_second", "_settled",
        "lane", "meters", "model",
    )  # fmt: skip

    def __init__(
        self,
        meters: Meters,
        pool: Pool | None,
        model: str,
        lane: Lane,
        reserved: int,
        day: int,
        second: int,
    ) -> None:
        self.meters = meters
        self._pool = pool
        self.model = model
        """Its usage is booked under this name."""
        self.lane = lane
        """The key's own, or the one that was asked for."""
        self._reserved = reserved
        self._day = day
        self._second = second
        self._settled = False
        self._open = True
        self._on_revoked: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def settle(self, prompt_tokens: int, completion_tokens: int, *, failed: bool = False) -> None:
        """What was really used. The first word counts; nonsense is no word at all."""
        if (
            not self._settled
            and type(prompt_tokens) is type(completion_tokens) is int
            and 0 <= prompt_tokens <= MAX_TOKENS
            and 0 <= completion_tokens <= MAX_TOKENS
        ):
            self._settle(failed, prompt_tokens, completion_tokens, 0)

    def cancel(self, *, counts: bool = True) -> None:
        """No worker was asked, so nothing was used; it does not count as one of the minute.

        `counts` False: nor does it appear in what the key used.
        """
        if not self._settled:
            requests = self.meters.requests
            if requests is not None:
                requests.amend(self._second, -1)
            if counts:
                self._settle(True, 0, 0, 0)
            else:
                self._forgo()

    def close(self) -> None:
        """The request is over. More than once does no harm."""
        if not self._open:
            return
        self._open = False
        if not self._settled:
            self._settle(True, 0, 0, self._reserved)
        self.meters.running -= 1
        if self._on_revoked is not None:
            self.meters.on_revoked.discard(self._on_revoked)

    def when_revoked(self, call: Callable[[], None]) -> None:
        """Do `call` if the key is revoked before the request is over. Say it once."""
        self._on_revoked = call
        self.meters.on_revoked.add(call)

    def _settle(self, failed: bool, prompt: int, completion: int, assumed: int) -> None:
        self._settled = True
        meters, used = self.meters, prompt + completion + assumed
        if meters.tokens is not None:
            meters.tokens.amend(self._second, used - self._reserved)
        if self._pool is not None:
            self._pool.settle(self._reserved, used)
        meters.tallies.add(meters.id, self.model, self._day, failed, prompt, completion, assumed)

    def _forgo(self) -> None:
        """Settle it as if nobody had asked."""
        self._settled = True
        if self.meters.tokens is not None:
            self.meters.tokens.amend(self._second, -self._reserved)
        if self._pool is not None:
            self._pool.settle(self._reserved, 0)
