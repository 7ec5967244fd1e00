"""The part of a key's tokens of one day that this process holds, spent in memory.

Nothing is asked of the disk while the pool lasts. Whatever it may spend was written to the ledger
as granted before, so a crash at any moment wastes what is left in it, and overdraws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from server.ledger.budget import ALIVE_S, Lease, Portion, Wish

PORTIONS_PER_DAY: Final = 128
"""A pool takes this part of the day's limit at a time: few enough to be written with ease, small
enough that a crash wastes little."""
SHORT_S: Final = 1.0
"""For so long the ledger is not asked again for what it has just refused."""
RENEW_S: Final = ALIVE_S / 3
"""A lease in use is written again, that nobody takes this process for dead."""
UNKNOWN: Final = (-1, -1)


@dataclass(frozen=True, slots=True)
class Shortage:
    """What the ledger last refused."""

    asked: int
    until: float
    """On the monotonic clock."""
    left: int | None
    """Tokens of the day that may come free yet; None: it could not be asked."""


class Pool:
    __slots__ = (
        "_renewed", "_rested", "day", "granted", "holder", "key", "leasing", "limit", "reserved",
        "shortage", "told", "used", "waiting",
    )  # fmt: skip

    def __init__(self, key: str, day: int, holder: str, limit: int) -> None:
        self.key = key
        self.day = day
        self.holder = holder
        self.limit = limit
        self.granted = 0
        """The file has at least this. Lowered here first and there later, raised the other way."""
        self.used = 0
        self.reserved = 0
        """The most that running requests may use."""
        self.waiting = 0
        """The most that requests may use which wait for the ledger."""
        self.leasing = False
        """The ledger is being asked: until it has answered nobody else may write our row."""
        self.shortage: Shortage | None = None
        self.told = (0, 0)
        """`granted` and `used`, as they stand in the file."""
        self._rested = 0
        self._renewed = 0.0

    @property
    def free(self) -> int:
        return self.granted - self.used - self.reserved

    @property
    def busy(self) -> bool:
        """Whether its requests have not all ended, or the file does not know of them yet."""
        return self.leasing or self.reserved > 0 or self.told != (self.granted, self.used)

    def reserve(self, tokens: int) -> None:
        """`tokens` are free."""
        self.reserved += tokens

    def settle(self, reserved: int, used: int) -> None:
        """A request is over, for which `reserved` was set aside."""
        self.reserved -= reserved
        self.used += used
        if self.shortage is not None and used < reserved and self.shortage.left is not None:
            self.shortage = None  # what came back may be enough with what the ledger still has

    def wish(self, tokens: int) -> Wish:
        """For the ledger, so that `tokens` can be reserved."""
        needed = self.used + self.reserved
        more = max(tokens, self.waiting)
        most = max(needed + more + self.limit // PORTIONS_PER_DAY, self.granted)
        return Wish(self.key, self.day, self.holder, self.limit, self.used, needed + tokens, most)

    def take(self, wish: Wish, part: Portion, tokens: int, now: float) -> None:
        """The ledger's answer to `wish(tokens)`. `now` is monotonic, here and below."""
        if part.granted is None:
            self.shortage = Shortage(tokens, now + SHORT_S, part.left)
            return
        self.granted = part.granted
        self.told = (part.granted, wish.used)
        self.shortage = None
        self._rested = 0

    def break_off(self, now: float) -> None:
        """The ledger could not be asked; whether it granted anything nobody knows."""
        self.told = UNKNOWN
        self.shortage = Shortage(0, now + SHORT_S, None)

    def lacking(self, tokens: int, now: float) -> Shortage | None:
        """What the ledger said a moment ago of so many tokens, or of fewer."""
        short = self.shortage
        return short if short and tokens >= short.asked and now < short.until else None

    def lease(self, wall: float, *, all_back: bool = False) -> Lease | None:
        """What the file should say; None: it says so. Call it once in each round of telling.

        A pool that nobody has used since the last round gives back what is free, so that it is
        there for other processes; with `all_back` at once.
        """
        if self.leasing:
            return None
        idle = self.used == self.told[1] and not self.reserved
        self._rested = self._rested + 1 if idle else 0
        spare = 0 if all_back or self._rested > 1 else 2 * (self.limit // PORTIONS_PER_DAY)
        self.granted = min(self.granted, self.used + self.reserved + spare)
        fresh = not self.reserved or wall - self._renewed < RENEW_S
        if fresh and self.told == (self.granted, self.used):
            return None
        return Lease(self.key, self.day, self.holder, self.granted, self.used, wall)

    def tell(self, lease: Lease) -> None:
        """`lease` stands in the file."""
        self.told = (lease.granted, lease.used)
        self._renewed = lease.renewed
