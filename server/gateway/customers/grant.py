"""What was set aside for one request of a key, until it is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Self

from server.gateway.customers.meters import Meters
from server.gateway.customers.pool import Pool
from server.gateway.customers.window import Window
from server.wire.lanes import Lane

MAX_TOKENS: Final = 100_000_000
"""Of one request; a worker that counts more counts wrong."""


class Grant:
    """Enter it; when the block ends, its place among the key's parallel requests is free again.

    Say before that how many tokens were used (`settle`), or that no worker was asked (`cancel`).
    Otherwise all that was set aside counts as used, because nobody can tell.
    """

    __slots__ = (
        "_day", "_metered", "_on_revoked", "_pool", "_requests", "_reserved", "_second",
        "_settled", "_tokens", "lane", "meters", "model",
    )  # fmt: skip

    def __init__(self, meters: Meters, model: str, lane: Lane, reserved: int, day: int) -> None:
        self.meters = meters
        self.model = model
        """Its usage is booked under this name."""
        self.lane = lane
        """The key's own, or the one that was asked for."""
        self._reserved = reserved
        self._day = day
        self._settled = False
        self._metered = False
        self._on_revoked: Callable[[], None] | None = None

    def meter(
        self, pool: Pool | None, requests: Window | None, tokens: Window | None, second: int
    ) -> None:
        """Where it was counted, and what it may use set aside. Limits that come later are none of
        its own."""
        self._metered = True
        self._pool = pool
        self._requests = requests
        self._tokens = tokens
        self._second = second

    def __enter__(self) -> Self:
        return self

    def close(self, *_: object) -> None:
        """The request is over. More than once does no harm."""
        grants = self.meters.grants
        if self in grants:
            grants.remove(self)
            if not self._settled:
                self._settle(True, 0, 0, self._reserved)

    __exit__ = close

    def settle(self, prompt_tokens: int, completion_tokens: int, *, failed: bool = False) -> None:
        """What was really used. The first word counts; nonsense is no word at all."""
        if (
            not self._settled
            and type(prompt_tokens) is type(completion_tokens) is int
            and 0 <= prompt_tokens <= MAX_TOKENS >= completion_tokens >= 0
        ):
            self._settle(failed, prompt_tokens, completion_tokens, 0)

    def assume(self, tokens: int) -> None:
        """Nobody can tell what was used: so much at most, where nothing was set aside."""
        if not self._metered:
            self._reserved = tokens

    def cancel(self, *, counts: bool = True) -> None:
        """No worker was asked, so nothing was used; it does not count as one of the minute.

        `counts` False: nor does it appear in what the key used.
        """
        if self._settled:
            return
        if self._metered and self._requests is not None:
            self._requests.amend(self._second, -1)
        if counts:
            self._settle(True, 0, 0, 0)
        else:
            self._settled = True
            if self._metered:
                self._charge(0)

    def when_revoked(self, call: Callable[[], None]) -> None:
        """Do `call` if the key is revoked before the request is over. Say it once."""
        self._on_revoked = call

    def revoke(self) -> None:
        call, self._on_revoked = self._on_revoked, None
        if call is not None:
            call()

    def _settle(self, failed: bool, prompt: int, completion: int, assumed: int) -> None:
        self._settled = True
        meters = self.meters
        meters.tallies.add(meters.id, self.model, self._day, failed, prompt, completion, assumed)
        if self._metered:
            self._charge(prompt + completion + assumed)

    def _charge(self, used: int) -> None:
        """What was set aside and not used is free again."""
        if self._tokens is not None:
            self._tokens.amend(self._second, used - self._reserved)
        if self._pool is not None:
            self._pool.settle(self._reserved, used)
