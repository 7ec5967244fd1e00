"""Retries may add a fifth to what the workers are asked, and no more: no storm of retries."""

from __future__ import annotations

from server.core.limits import RETRY_RESERVE, RETRY_SHARE


class RetryBudget:
    """A bucket: each request puts `RETRY_SHARE` of a retry into it, each retry takes one out.

    It starts with `RETRY_RESERVE` and holds no more, so that a worker's death, which is many
    retries at once, is within it also at a quiet time.
    """

    __slots__ = ("_left", "refused")

    def __init__(self) -> None:
        self._left = float(RETRY_RESERVE)
        self.refused = 0
        """Retries that it did not allow."""

    def earn(self) -> None:
        """A request has come."""
        left = self._left + RETRY_SHARE
        self._left = left if left < RETRY_RESERVE else RETRY_RESERVE

    def allow(self) -> bool:
        """Whether a retry is affordable; a refusal is counted."""
        if self._left < 1.0:
            self.refused += 1
            return False
        return True

    def spend(self) -> None:
        """One retry begins."""
        self._left -= 1.0
