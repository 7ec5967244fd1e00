"""Whether the controller takes this worker in: said to the launcher, and by `/readyz`."""

from __future__ import annotations

from collections.abc import Callable

from server.wire.process import Report


class Standing:
    """A controller that is away is no refusal: gateways go on with the fleet that they know."""

    def __init__(self, say: Callable[[Report], None] = lambda report: None) -> None:
        self.missing: str | None = None
        """Why it does not, in words."""
        self._say = say

    def refused(self, why: str) -> None:
        if why != self.missing:
            self.missing = why
            self._say(Report(state="waiting", detail=why))

    def taken(self) -> None:
        if self.missing is not None:
            self.missing = None
            self._say(Report(state="waiting"))
