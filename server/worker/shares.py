"""Which of several customers is next: who has the fewest requests running.

Of those with equally few it is who has been without a slot for longest. So all get equally many
slots at the same time while they wait for more, whoever asks for little waits for the next free
slot alone, and nobody starves: whoever has nothing running is passed only by those that have
waited for longer.

Source: Zaharia et al. 2010, "Delay Scheduling", algorithm 1, which gives slots so to jobs.
"""

from __future__ import annotations

from itertools import count


class Share:
    """What one customer has here."""

    __slots__ = ("requests", "running", "since")

    def __init__(self, since: int) -> None:
        self.requests = 0
        """Running or in line."""
        self.running = 0
        self.since = since
        """When it last gave a slot back, or came; not in seconds, but in the order of events."""


class Shares:
    """Of those that have a request here, and of nobody else."""

    def __init__(self) -> None:
        self._of: dict[str, Share] = {}
        self._events = count()

    def enter(self, customer: str) -> None:
        share = self._of.get(customer)
        if share is None:
            share = self._of[customer] = Share(next(self._events))
        share.requests += 1

    def leave(self, customer: str) -> None:
        share = self._of[customer]
        share.requests -= 1
        if not share.requests:
            del self._of[customer]

    def run(self, customer: str) -> None:
        """One of its requests has a slot."""
        self._of[customer].running += 1

    def rest(self, customer: str) -> None:
        """One of its requests has given its slot back."""
        share = self._of[customer]
        share.running -= 1
        share.since = next(self._events)

    def requests(self, customer: str) -> int:
        """How many of its requests are here."""
        share = self._of.get(customer)
        return 0 if share is None else share.requests

    def rank(self, customer: str) -> tuple[int, int]:
        """The lowest of those that wait is next."""
        share = self._of[customer]
        return share.running, share.since
