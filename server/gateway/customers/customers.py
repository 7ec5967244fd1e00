"""Whose request it is, and whether that key may have it now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from hashlib import sha256
from math import inf
from typing import Final

from pydantic import SecretStr

from server.core.clock import Clock
from server.core.errors import RequestError
from server.core.ids import new_id
from server.gateway.customers import refusals
from server.gateway.customers.books import Books, Heard
from server.gateway.customers.customer import Customer
from server.gateway.customers.grant import Grant
from server.gateway.customers.rounds import open_round, others_of, paces_of
from server.gateway.customers.tallies import Tallies
from server.gateway.customers.whose import NOBODYS
from server.ledger.budget import DAY_S
from server.ledger.key import Key, digest_of
from server.ledger.ledger import Batch, Ledger
from server.ledger.usage import KEEP_DAYS
from server.web.asgi import Header, Scope, first_of, found_in
from server.web.background import kept_running
from server.wire.lanes import Lane

SYNC_S: Final = 0.5
"""How often the ledger is told and asked: a revoked key ends within it, a new one begins."""
NOBODY: Final = Key(id="nobody", name="nobody")
"""Whose requests are counted while the port is open."""
OURS: Final = Key(id="ours", name="ours")


class Customers:
    def __init__(
        self,
        ledger: Ledger | None,
        configured: Iterable[SecretStr] = (),
        *,
        clock: Clock,
        required: bool = False,
        ours: SecretStr | None = None,
        processes: int = 1,
        routed: Callable[[dict[str, str]], None] = lambda routes: None,
    ) -> None:
        """`configured`: keys without limits, and without rights of an administrator.

        `required`: without a key nobody comes in, also while there is none. `ours`: the key of our
        own processes; it closes the port to nobody. So many `processes` share the port and the
        ledger. `routed` hears of the ledger's routes whenever they have changed, and must not
        raise.
        """
        self._clock = clock
        self._processes = processes
        self._holder = new_id("gw")  # anew at each start: what a dead process held stays taken
        self._routed = routed
        self._tallies = Tallies()
        self._books = Books(ledger, clock, several=processes > 1) if ledger else None
        self._by_id: dict[str, Customer] = {}
        self._nobody = self._customer(NOBODY)
        self._nobody.whose = NOBODYS
        self._fixed = {
            digest_of(text.get_secret_value().encode()): self._customer(key)
            for key, text in _fixed_keys(configured, ours)
        }
        self._by_digest = dict(self._fixed)
        self._closed = required or any(c.key is not OURS for c in self._fixed.values())
        self._active: set[Customer] = set()
        """Those with anything that the next round may have to tell."""
        self._elsewhere: set[str] = set()
        """Keys that other processes spoke of."""
        self._rounds: set[asyncio.Task[None]] = set()
        self._day = 0

    @property
    def open(self) -> bool:
        """Whether a request without a key may come in: never again once there has been one."""
        return not self._closed

    def check(self, scope: Scope) -> None:
        """An edge's check: leaves the `Key`, or None, in the scope's state under `key`.

        Raises `Unauthorized`.
        """
        customer = self._by_digest.get(found_in(scope["headers"], _digest_offered))
        if customer is not None:
            scope["state"]["key"] = customer.key  # whoever is refused too: explaining needs it
            if customer.until < inf and self._clock.wall() >= customer.until:
                raise refusals.key_ended(customer.key.revoked is not None)
            return
        if self._closed:
            raise refusals.unknown_key()
        scope["state"]["key"] = None

    def allows(self, key: Key | None, model: str) -> bool:
        """Whether `model`, or a route of that name, is there for this key at all."""
        return key is None or key.limits.models is None or model in key.limits.models

    def counts_tokens(self, key: Key | None) -> bool:
        """Whether what a request may use at most must be known before it may come in."""
        return key is not None and self._by_id[key.id].metered

    def try_admit(self, key: Key | None, model: str, lane: Lane, tokens: int) -> Grant | None:
        """`tokens`: the most that the request may use, prompt and answer.

        None: ask `admit`, which has to wait for the disk. Raises `ModelNotFound`, `LimitReached`,
        `BudgetSpent`, `Unavailable`, or `Unauthorized` for a key that was revoked just now.
        """
        customer = self._nobody if key is None else self._by_id[key.id]
        if customer.key.revoked is not None:
            raise refusals.key_ended(revoked=True)
        self._active.add(customer)
        return customer.admit(model, lane, tokens)

    async def admit(self, key: Key | None, model: str, lane: Lane, tokens: int) -> Grant:
        """The same, whatever it takes."""
        while True:
            grant = self.try_admit(key, model, lane, tokens)
            if grant is not None:
                return grant
            customer = self._nobody if key is None else self._by_id[key.id]
            assert customer.pool is not None and self._books is not None  # or it had been granted
            await self._books.extend(customer.pool, tokens)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Knows the keys when it is entered; has written everything when it is left.

        Raises `RequestError`s for a ledger that cannot be read at all.
        """
        books = self._books
        if books is None:
            yield
            return
        try:
            self._hear(await books.exchange(Batch()))
            async with kept_running(self._keep(), "keeping the ledger"):
                yield
        finally:
            if self._rounds:
                await asyncio.wait(self._rounds)
            await self.sync(last=True)
            await books.close()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SYNC_S)
            await self.sync()

    async def sync(self, *, last: bool = False) -> None:
        """Tell the ledger what was used, and hear of keys and routes.

        Raises nothing for a ledger that cannot be used: the log says so, and the next round tells
        what this one could not. A round that was begun is finished, whoever stops waiting for it.
        """
        if self._books is not None:
            task = asyncio.create_task(self._round(self._books, last), name="telling the ledger")
            self._rounds.add(task)
            task.add_done_callback(self._rounds.discard)
            await asyncio.shield(task)

    async def _round(self, books: Books, last: bool) -> None:
        wall, active = self._clock.wall(), self._active
        round = open_round(active, self._tallies, wall, last=last)
        if self._processes > 1:
            round.batch.paces.extend(paces_of(active, self._holder, wall))
        try:
            heard = await books.exchange(round.batch)
        except RequestError as error:
            self._tallies.put_back(round.batch.usage)
            books.complain(error)
            return
        round.close()
        self._active = {customer for customer in self._active if not customer.idle}
        self._hear(heard)
        today = int(wall // DAY_S)
        if today != self._day:
            self._day = today
            await self._forget(books, today)

    async def _forget(self, books: Books, today: int) -> None:
        """What is too old; if it cannot be done today, then tomorrow."""
        try:
            await books.ask(
                books.ledger.forget,
                leases_before=today - 1,  # yesterday's requests may still run
                usage_before=today - KEEP_DAYS,
                paces_before=float((today - 1) * DAY_S),
            )
        except RequestError as error:
            books.complain(error)

    def _hear(self, heard: Heard) -> None:
        if heard.keys is not None:
            self._follow(heard.keys, heard.digests)
        if heard.routes is not None:
            self._routed(heard.routes)
        if self._processes > 1:
            self._share(others_of(heard.paces, self._holder, self._clock.wall()))

    def _follow(self, keys: Iterable[Key], digests: dict[bytes, str]) -> None:
        for key in keys:
            self._closed = True
            known = self._by_id.get(key.id)
            if known is None:
                self._customer(key)
            elif known.key != key:
                known.follow(key)
                if key.revoked is not None:
                    known.tell_revoked()
        found = {digest: self._by_id[id] for digest, id in digests.items() if id in self._by_id}
        self._by_digest = found | self._fixed

    def _share(self, others: dict[str, tuple[int, int, int]]) -> None:
        concerned = self._elsewhere | others.keys() | {customer.id for customer in self._active}
        self._elsewhere = set(others)
        for id in concerned & self._by_id.keys():
            self._by_id[id].share(*others.get(id, (0, 0, 0)))

    def _customer(self, key: Key) -> Customer:
        customer = Customer(key, self._clock, self._tallies, self._holder, self._processes)
        self._by_id[key.id] = customer
        return customer


def _digest_offered(headers: Iterable[Header]) -> bytes:
    """Of the key in the first `Authorization`, else in the first `x-api-key` or `api-key`, where
    Anthropic's and Azure's clients put it; empty where there is none."""
    offered = first_of(headers, b"authorization") or b""
    if offered[:7].lower() == b"bearer ":
        return sha256(offered[7:].strip()).digest()
    key = first_of(headers, b"x-api-key")
    key = first_of(headers, b"api-key") if key is None else key
    return b"" if key is None else sha256(key.strip()).digest()


def _fixed_keys(
    configured: Iterable[SecretStr], ours: SecretStr | None
) -> Iterable[tuple[Key, SecretStr]]:
    if ours is not None:
        yield OURS, ours
    for number, text in enumerate(configured, start=1):
        yield Key(id=f"configured-{number}", name=f"configured-{number}"), text
