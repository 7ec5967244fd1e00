"""How much of a key's limits is in use, in this process and, as far as it heard, in the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.core.clock import Clock
from server.gateway.customers.share import most_of
from server.gateway.customers.tallies import Tallies
from server.gateway.customers.whose import told_of
from server.gateway.customers.window import Header, Window
from server.ledger.key import Limits

if TYPE_CHECKING:
    from server.gateway.customers.grant import Grant

UNLIMITED: Final = 2**62


class Meters:
    __slots__ = (
        "_processes", "clock", "grants", "id", "metered", "most_running", "parallel", "requests",
        "tallies", "tokens", "whose",
    )  # fmt: skip

    def __init__(self, id: str, clock: Clock, tallies: Tallies, processes: int) -> None:
        self.id = id
        """The key's."""
        self.whose = told_of(id)
        """What workers are told of its requests."""
        self.clock = clock
        self.tallies = tallies
        self._processes = processes
        self.grants: set[Grant] = set()
        """Of the requests that run."""
        self.parallel: int | None = None
        self.most_running = UNLIMITED
        """This process may have so many running; less than `parallel` where there are others."""
        self.requests: Window | None = None
        self.tokens: Window | None = None
        self.metered = False
        """Whether what a request may use has to be set aside, of a minute's or a day's limit."""

    @property
    def running(self) -> int:
        return len(self.grants)

    def tell_revoked(self) -> None:
        for grant in tuple(self.grants):
            grant.revoke()

    def measure(self, limits: Limits) -> None:
        """Against these limits from now on."""
        self.parallel = limits.parallel
        self.requests = _window("requests", self.requests, limits.requests_per_minute)
        self.tokens = _window("tokens", self.tokens, limits.tokens_per_minute)
        self.metered = bool(self.requests or self.tokens) or limits.tokens_per_day is not None
        self.share(0, 0, 0)

    def share(self, requests: int, tokens: int, running: int) -> None:
        """What the other processes let through in the last minute, and what runs there."""
        self.advance()
        for window, others in ((self.requests, requests), (self.tokens, tokens)):
            if window is not None:
                most = most_of(window.limit, window.total, others, self._processes)
                window.share(most, others)
        if self.parallel is None:
            self.most_running = UNLIMITED
        else:
            self.most_running = most_of(self.parallel, self.running, running, self._processes)

    @property
    def paced(self) -> bool:
        """Whether other processes have to know what this key does here."""
        return bool(self.requests or self.tokens) or self.parallel is not None

    def advance(self) -> None:
        """Forget what is older than a minute."""
        second = int(self.clock.monotonic())
        for window in (self.requests, self.tokens):
            if window is not None:
                window.advance(second)

    @property
    def still(self) -> bool:
        """Whether nothing runs and nothing of the last minute counts."""
        windows = (self.requests, self.tokens)
        return not self.grants and not any(window and window.total for window in windows)

    def limit_headers(self) -> tuple[Header, ...]:
        """`x-ratelimit-…`, as OpenAI sends them; none without such limits."""
        if not self.metered:
            return ()
        requests, tokens = self.requests, self.tokens
        second = int(self.clock.monotonic())
        found = requests.headers(second) if requests is not None else ()
        return found if tokens is None else (*found, *tokens.headers(second))


def _window(of: str, known: Window | None, limit: int | None) -> Window | None:
    if limit is None:
        return None
    window = known or Window(of, limit)
    window.change(limit)
    return window
