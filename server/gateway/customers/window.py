"""What passed in the last minute."""

from __future__ import annotations

from math import inf
from typing import Final

MINUTE_S: Final = 60
Header = tuple[bytes, bytes]

SLOTS: Final = MINUTE_S + 1
"""One second each. One more than a minute has, so that whatever minute one looks at, the limit was
kept in it; what passed counts for up to a second too long instead."""


class Window:
    """Counts what passes, second by second. Seconds are those of a monotonic clock."""

    __slots__ = (
        "_alone", "_counts", "_last", "_limit_header", "_limit_name", "_remaining", "_reset",
        "_second", "limit", "most", "others", "total",
    )  # fmt: skip

    def __init__(self, of: str, limit: int) -> None:
        """`of`: what is counted, as OpenAI's headers name it: `requests` or `tokens`."""
        self._limit_name, self._remaining, self._reset = (
            f"x-ratelimit-{what}-{of}".encode() for what in ("limit", "remaining", "reset")
        )
        self.change(limit)
        self.most = limit
        """This process may have let through so much of it; less than the limit where there are
        other processes."""
        self.others = 0
        """What passed in the other processes, as they last said."""
        self.total = 0
        """What passed here."""
        self._counts = [0] * SLOTS
        self._second = 0
        self._last = 0
        self._alone = False
        """Something has passed here since the others were last heard of."""

    def change(self, limit: int) -> None:
        """What has passed is remembered."""
        self.limit = limit
        self._limit_header = (self._limit_name, b"%d" % limit)

    def share(self, most: int, others: int) -> None:
        """The others were heard of."""
        self.most = most
        self.others = others
        self._alone = False

    def fits(self, amount: int) -> bool:
        """Whether it may pass now. One that is larger than our share may if nothing else has taken
        of that yet: else a large request could never pass where there are many processes."""
        if self.total + amount <= self.most:
            return True
        return not self._alone and amount <= self.remaining

    def advance(self, second: int) -> None:
        """Forget what is older than a minute."""
        gone = second - self._second
        if gone <= 0:
            return
        counts = self._counts
        if gone >= SLOTS:
            self._counts = [0] * SLOTS
            self.total = 0
        else:
            for index in range(self._second + 1, second + 1):
                self.total -= counts[index % SLOTS]
                counts[index % SLOTS] = 0
        self._second = second

    def add(self, second: int, amount: int) -> None:
        """`second` is the one it was last advanced to."""
        self._counts[second % SLOTS] += amount
        self.total += amount
        self._last = second
        self._alone = True

    def amend(self, second: int, change: int) -> None:
        """What was added in `second` was more, or less, than was said then."""
        if self._second - second < SLOTS:
            self._counts[second % SLOTS] += change
            self.total += change

    def wait_s(self, now: float, amount: int) -> float:
        """Seconds until `amount` fits, if nothing else passes; `inf`: it never will.

        0 if it fits, and this process only has to hear so from the others.
        """
        if amount > self.limit:
            return inf
        if amount <= self.remaining:
            return 0.0
        excess = self.total + amount - self.most
        for second in range(self._second - SLOTS + 1, self._second + 1):
            if excess <= 0:
                break
            excess -= self._counts[second % SLOTS]
            if excess <= 0:
                return second + SLOTS - now
        return float(
            SLOTS
        )  # nobody here knows when what passed elsewhere is over, but it is by then

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.total - self.others)

    def headers(self, second: int) -> tuple[Header, Header, Header]:
        """What OpenAI says of a limit: how much it is, what is left, when all is there again."""
        self.advance(second)
        total = self.total
        left = self.limit - total - self.others
        return (
            self._limit_header,
            (self._remaining, b"%d" % (left if left > 0 else 0)),
            (self._reset, b"%ds" % (self._last + SLOTS - second) if total else b"0s"),
        )
