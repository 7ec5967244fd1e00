"""The gateway's way to the ledger: one thread of its own, so that no disk holds up a request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, ParamSpec, TypeVar

from server.core.clock import Clock
from server.core.errors import RequestError
from server.gateway.customers.pool import Pool
from server.gateway.customers.window import MINUTE_S
from server.ledger.key import Key
from server.ledger.ledger import Batch, Ledger
from server.ledger.paces import Pace

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

COMPLAIN_S: Final = 60.0
"""How often the log says that the ledger cannot be used."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the ledger says that was not known before."""

    changes: dict[str, int]
    keys: list[Key] | None = None
    """None: as before; `routes` too."""
    digests: dict[bytes, str] = field(default_factory=dict)
    routes: dict[str, str] | None = None
    paces: list[Pace] = field(default_factory=list)


class Books:
    def __init__(self, ledger: Ledger, clock: Clock, *, several: bool) -> None:
        """`several`: there are other gateways, whose paces are asked for."""
        self.ledger = ledger
        self.down = False
        """It could not be used when it was last tried."""
        self._clock = clock
        self._several = several
        self._known: dict[str, int] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._extending: dict[Pool, asyncio.Task[None]] = {}
        self._complained = -COMPLAIN_S

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`question(...)` in the ledger's thread, one after the other."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: question(*args, **kwargs))

    async def exchange(self, batch: Batch) -> Heard:
        """Tell the ledger `batch`, and hear what is new. Raises `RequestError`s."""
        heard = await self.ask(self._exchange, batch, dict(self._known))
        self._known = heard.changes
        self.down = False
        return heard

    def _exchange(self, batch: Batch, known: dict[str, int]) -> Heard:
        ledger = self.ledger
        if batch:
            ledger.tell(batch)
        changes = ledger.changes()
        new = {of for of, number in changes.items() if known.get(of) != number}
        return Heard(
            changes,
            ledger.all_keys() if "keys" in new else None,
            ledger.digests() if "keys" in new else {},
            ledger.routes() if "routes" in new else None,
            ledger.paces(self._clock.wall() - MINUTE_S) if self._several else [],
        )

    async def extend(self, pool: Pool, tokens: int) -> None:
        """Ask for so many more; afterwards `pool` has them, or knows why not.

        Many who wait for one pool are answered at once. Who stops waiting changes nothing.
        """
        pool.waiting += tokens
        try:
            task = self._extending.get(pool)
            if task is None:
                task = asyncio.create_task(self._extend(pool, tokens), name="extending a budget")
                self._extending[pool] = task
            await asyncio.shield(task)
        finally:
            pool.waiting -= tokens

    async def _extend(self, pool: Pool, tokens: int) -> None:
        try:
            if self.down:  # whoever waits for its lock would wait for each of us in turn
                pool.break_off(self._clock.monotonic())
                return
            pool.leasing = True
            wish = pool.wish(tokens)
            part = await self.ask(self.ledger.lease, wish, self._clock.wall())
            pool.take(wish, part, tokens, self._clock.monotonic())
        except RequestError as error:
            self.complain(error)
            pool.break_off(self._clock.monotonic())
        finally:
            pool.leasing = False
            del self._extending[pool]

    def complain(self, error: RequestError) -> None:
        self.down = True
        now = self._clock.monotonic()
        if now - self._complained >= COMPLAIN_S:
            self._complained = now
            log.error(
                "the ledger cannot be used: keys stay as they were, usage waits, and daily budgets "
                "end with what is at hand",
                extra={"reason": error.message, "cause": str(error.__cause__ or "")},
            )

    async def close(self) -> None:
        if self._extending:
            await asyncio.wait(self._extending.values())
        await self.ask(self.ledger.close)
        self._thread.shutdown()
