"""How much of a key's limits is in use, in this process and, as far as it heard, in the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from server.core.clock import Clock
from server.gateway.customers.share import most_of
from server.gateway.customers.tallies import Tallies
from server.gateway.customers.whose import told_of
from server.gateway.customers.window import Header, Window
from server.ledger.key import Limits

UNLIMITED: Final = 2**62


class Meters:
    __slots__ = (
        "_processes", "clock", "id", "most_running", "on_revoked", "parallel",
        "requests", "running", "tallies", "tokens", "whose",
    )  # fmt: skip

    def __init__(self, id: str, clock: Clock, tallies: Tallies, processes: int) -> None:
        self.id = id
        """The key's."""
        self.whose = told_of(id)
        """What workers are told of its requests."""
        self.clock = clock
        self.tallies = tallies
        self._processes = processes
        self.running = 0
        self.parallel: int | None = None
        self.most_running = UNLIMITED
        """This process may have so many running; less than `parallel` where there are others."""
        self.requests: Window | None = None
        self.tokens: Window | None = None
        self.on_revoked: set[Callable[[], None]] = set()
        """Running requests that want to know."""

    def tell_revoked(self) -> None:
        calls, self.on_revoked = self.on_revoked, set()
        for call in calls:
            call()

    def measure(self, limits: Limits) -> None:
        """Against these limits from now on."""
        self.parallel = limits.parallel
        self.requests = _window("requests", self.requests, limits.requests_per_minute)
        self.tokens = _window("tokens", self.tokens, limits.tokens_per_minute)
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
        return not self.running and not any(window and window.total for window in windows)

    def limit_headers(self) -> tuple[Header, ...]:
        """`x-ratelimit-…`, as OpenAI sends them; none without such limits."""
        requests, tokens = self.requests, self.tokens
        if requests is None and tokens is None:
            return ()
        second = int(self.clock.monotonic())
        found = requests.headers(second) if requests is not None else ()
        return found if tokens is None else (*found, *tokens.headers(second))


def _window(of: str, known: Window | None, limit: int | None) -> Window | None:
    if limit is None:
        return None
    window = known or Window(of, limit)
    window.change(limit)
    return window
