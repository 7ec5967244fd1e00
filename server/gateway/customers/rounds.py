"""One round of telling the ledger what the customers of this process did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from server.gateway.customers.customer import Customer
from server.gateway.customers.pool import Pool
from server.gateway.customers.tallies import Tallies
from server.gateway.customers.window import MINUTE_S
from server.ledger.budget import Lease
from server.ledger.ledger import Batch
from server.ledger.paces import Pace

RUNNING_S: Final = 5.0
"""A process that has told nothing for so long has nothing running: it tells every round."""


@dataclass(frozen=True, slots=True)
class Round:
    batch: Batch
    leases: list[tuple[Pool, Lease]]
    """Those of the batch."""

    def close(self) -> None:
        """The ledger has it."""
        for pool, lease in self.leases:
            pool.tell(lease)


def open_round(
    customers: Iterable[Customer], tallies: Tallies, wall: float, *, last: bool = False
) -> Round:
    """What is new about `customers`; with `last` all that their pools can give back."""
    leases = [
        (pool, lease)
        for customer in customers
        for pool in customer.live_pools()
        if (lease := pool.lease(wall, all_back=last)) is not None
    ]
    return Round(Batch(tallies.take(), [lease for _, lease in leases]), leases)


def paces_of(customers: Iterable[Customer], holder: str, wall: float) -> list[Pace]:
    """What `customers` let through here, for the other processes."""
    found = []
    for customer in customers:
        if customer.paced:
            customer.advance()
            requests = customer.requests.total if customer.requests else 0
            tokens = customer.tokens.total if customer.tokens else 0
            found.append(Pace(customer.id, holder, requests, tokens, customer.running, wall))
    return found


def others_of(paces: Iterable[Pace], holder: str, wall: float) -> dict[str, tuple[int, int, int]]:
    """Of each key: requests and tokens of the last minute, and what runs, in other processes."""
    found: dict[str, tuple[int, int, int]] = {}
    for pace in paces:
        age_s = abs(wall - pace.told)
        if pace.holder == holder or age_s > MINUTE_S:
            continue
        requests, tokens, running = found.get(pace.key, (0, 0, 0))
        running += pace.running if age_s < RUNNING_S else 0
        found[pace.key] = requests + pace.requests, tokens + pace.tokens, running
    return found
