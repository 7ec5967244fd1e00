"""One key in this process: who it is, and whether it may have another request."""

from __future__ import annotations

from server.core.clock import Clock
from server.core.errors import Unavailable
from server.core.limits import RETRY_AFTER_S
from server.gateway.customers import refusals
from server.gateway.customers.grant import Grant
from server.gateway.customers.meters import Meters
from server.gateway.customers.pool import Pool, Shortage
from server.gateway.customers.tallies import Tallies
from server.gateway.customers.window import Window
from server.ledger.budget import DAY_S
from server.ledger.key import Key
from server.wire.lanes import Lane


class Customer(Meters):
    __slots__ = ("_budget", "_holder", "_lane", "_models", "key", "old_pools", "pool", "until")

    def __init__(
        self, key: Key, clock: Clock, tallies: Tallies, holder: str = "", processes: int = 1
    ) -> None:
        """`holder`: this process's name in the ledger, where `processes` share one port."""
        super().__init__(key.id, clock, tallies, processes)
        self._holder = holder
        self.pool: Pool | None = None
        """Of the day of the last request."""
        self.old_pools: list[Pool] = []
        """Of earlier days, while requests of theirs run."""
        self.follow(key)

    def follow(self, key: Key) -> None:
        """`key` is what the ledger says now; what is in use stays so."""
        self.key = key
        self.until = key.until
        self._models = key.limits.models
        self._lane = key.lane
        self._budget = key.limits.tokens_per_day
        if self.pool is not None and self._budget is not None:
            self.pool.limit = self._budget
        self.measure(key.limits)

    def live_pools(self) -> list[Pool]:
        """Those that the ledger may have to hear of."""
        self.old_pools = [pool for pool in self.old_pools if pool.busy]
        return self.old_pools if self.pool is None else [*self.old_pools, self.pool]

    @property
    def idle(self) -> bool:
        """Whether there is nothing that anybody has to hear of until the next request."""
        holds = any(pool.busy or pool.free > 0 for pool in self.live_pools())
        return self.still and not holds

    def allows(self, model: str) -> bool:
        return self._models is None or model in self._models

    def admit(self, model: str, lane: Lane, tokens: int) -> Grant | None:
        """None: the day's pool must be extended first. Raises `RequestError`s."""
        if tokens < 0:
            raise ValueError("a request cannot give tokens")
        if self._models is not None and model not in self._models:
            raise refusals.model_hidden(model)
        if len(self.grants) >= self.most_running:
            raise refusals.too_many(self.parallel or 0, RETRY_AFTER_S, self.limit_headers())
        day = int(self.clock.wall() // DAY_S)
        grant = Grant(self, model, self._lane or lane, tokens, day)
        if self.metered and not self._meter(grant, tokens, day):
            return None
        self.grants.add(grant)
        return grant

    def _meter(self, grant: Grant, tokens: int, day: int) -> bool:
        """Set aside what it may use. False: the day's pool must be extended first."""
        now = self.clock.monotonic()
        second = int(now)
        self._check_pace(tokens, now, second)
        pool = None
        if self._budget is not None:
            pool = self._pool_of(day, self._budget)
            if tokens > pool.free:
                self._check_lacking(pool, tokens, now)
                return False
            pool.reserve(tokens)
        if self.requests is not None:
            self.requests.add(second, 1)
        if self.tokens is not None:
            self.tokens.add(second, tokens)
        grant.meter(pool, self.requests, self.tokens, second)
        return True

    def _check_pace(self, tokens: int, now: float, second: int) -> None:
        if self.requests is not None:
            self.requests.advance(second)
            if not self.requests.fits(1):
                raise self._too_fast("requests", self.requests, 1, now)
        if self.tokens is not None:
            self.tokens.advance(second)
            if not self.tokens.fits(tokens):
                raise self._too_fast("tokens", self.tokens, tokens, now)

    def _too_fast(self, of: str, window: Window, asked: int, now: float) -> refusals.LimitReached:
        used, wait_s = window.total + window.others, window.wait_s(now, asked)
        return refusals.too_fast(of, window.limit, used, asked, wait_s, self.limit_headers())

    def _pool_of(self, day: int, limit: int) -> Pool:
        pool = self.pool
        if pool is None or pool.day < day:  # a clock that goes back begins no day anew
            if pool is not None:
                self.old_pools.append(pool)
            pool = self.pool = Pool(self.id, day, self._holder, limit)
        return pool

    def _check_lacking(self, pool: Pool, tokens: int, now: float) -> None:
        """Raises what the ledger has just said; nothing if it is to be asked."""
        short = pool.lacking(tokens, now)
        if tokens > pool.limit:
            short = Shortage(tokens, now, 0)
        if short is None:
            return
        if short.left is None:
            raise Unavailable(
                "This key's budget cannot be looked up now; try again.", retry_after_s=RETRY_AFTER_S
            )
        headers = self.limit_headers()
        if short.left >= tokens:
            raise refusals.held(pool.limit, tokens, RETRY_AFTER_S, headers)
        midnight_s = (pool.day + 1) * DAY_S - self.clock.wall()
        raise refusals.spent(pool.limit, tokens, midnight_s, headers)
