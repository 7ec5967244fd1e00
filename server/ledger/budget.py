"""A day's tokens of one key, shared out among the processes: decisions on plain values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400
ALIVE_S: Final = 30.0
"""A process that has not renewed its lease for so long is taken for dead, or has no use for it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Part of a day's tokens that one process may spend without asking again.

    It counts as taken from the moment it is in the file, whatever becomes of the process: a crash
    can waste tokens, and never gives one out twice.
    """

    key: str
    day: int
    """Since 1970, in UTC."""
    holder: str
    granted: int
    used: int
    renewed: float
    """Seconds since 1970."""

    @property
    def taken(self) -> int:
        """`used` is larger when a request used more than it was thought to be able to."""
        return max(self.granted, self.used)

    def gone(self, now: float) -> int:
        """What nobody will give back: of a dead process, all that it was granted."""
        return self.used if abs(now - self.renewed) < ALIVE_S else self.taken


@dataclass(frozen=True, slots=True)
class Wish:
    key: str
    day: int
    holder: str
    limit: int
    used: int
    """By this process, on that day."""
    least: int
    """What it must be granted in all, to go on."""
    most: int
    """What it would like, so that it need not ask again soon."""


@dataclass(frozen=True, slots=True)
class Portion:
    granted: int | None
    """In all, as `Lease.granted`; None: not even the least is left."""
    left: int
    """Of the day, if all that is set aside anywhere came back unused. What a dead process was
    granted does not."""


def portion(wish: Wish, others: Iterable[Lease], now: float) -> Portion:
    """How much of the day goes to the process that wishes, so that all together keep the limit."""
    taken = gone = 0
    for lease in others:
        taken += lease.taken
        gone += lease.gone(now)
    granted = min(wish.most, wish.limit - taken)
    return Portion(
        granted if granted >= wish.least else None, max(0, wish.limit - gone - wish.used)
    )


def spent(leases: Iterable[Lease], now: float) -> dict[str, int]:
    """Tokens of each key that are used or were lost with a process, as far as the file knows."""
    found: dict[str, int] = {}
    for lease in leases:
        found[lease.key] = found.get(lease.key, 0) + lease.gone(now)
    return found
