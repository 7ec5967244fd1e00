"""A process that spends a key's day as fast as it can, and says each use before it is settled."""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from server.core.clock import SystemClock
from server.core.errors import Overloaded
from server.gateway.customers.customers import Customers
from server.gateway.customers.refusals import BudgetSpent
from server.ledger.key import Key
from server.ledger.ledger import Ledger

TASKS = 4
MOST = 4000
"""Tokens of one request."""
HURRY = 20


class HurriedClock(SystemClock):
    """People's time goes faster, so that the dead are known to be dead within the test. It begins
    at noon: the day does not end."""

    def __init__(self, begun: float) -> None:
        self._begun = begun

    def wall(self) -> float:
        return 1_700_049_600.0 + HURRY * (self.monotonic() - self._begun)


async def main(file: str, key_id: str, begun: float) -> None:
    ledger = Ledger.open(Path(file))
    key = next(key for key in ledger.all_keys() if key.id == key_id)
    customers = Customers(ledger, clock=HurriedClock(begun))
    async with customers.running():
        await asyncio.gather(*(spend(customers, key, number) for number in range(TASKS)))
    os.write(1, b"stopped\n")


async def spend(customers: Customers, key: Key, number: int) -> None:
    for step in count(number):
        bound = 1 + step * 7919 % MOST
        try:
            with await customers.admit(key, "m", "normal", bound) as grant:
                await asyncio.sleep(0.001)
                used = bound - step % 3 if bound > 3 else bound
                os.write(1, b"%d\n" % used)
                grant.settle(used, 0)
        except BudgetSpent:
            return
        except Overloaded:  # set aside elsewhere, and may come back
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
