"""Who used what since the ledger was last told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from server.ledger.new_key import MAX_MODEL_CHARS
from server.ledger.usage import Usage

MAX_PENDING: Final = 10_000
"""Different keys, models and days; while the ledger cannot be written, more share one line."""
OTHERS: Final = "(others)"


class Line:
    """What one key had of one model on one day, so far."""

    __slots__ = ("assumed", "completion", "failed", "prompt", "requests")

    def __init__(self) -> None:
        self.requests = self.failed = 0
        self.prompt = self.completion = self.assumed = 0


class Tallies:
    def __init__(self) -> None:
        self._pending: dict[tuple[str, str, int], Line] = {}

    def add(
        self,
        key: str,
        model: str,
        day: int,
        failed: bool,
        prompt: int,
        completion: int,
        assumed: int,
    ) -> None:
        """One request, and its tokens."""
        line = self._pending.get((key, model, day)) or self._begin(key, model, day)
        line.requests += 1
        line.prompt += prompt
        line.completion += completion
        if failed:
            line.failed += 1
        if assumed:
            line.assumed += assumed

    def take(self) -> list[Usage]:
        """All there is; it is told from now on, or put back."""
        pending, self._pending = self._pending, {}
        return [
            Usage(*_clean(of), x.requests, x.failed, x.prompt, x.completion, x.assumed)
            for of, x in pending.items()
        ]

    def put_back(self, untold: Iterable[Usage]) -> None:
        for x in untold:
            of = (x.key, x.model, x.day)
            line = self._pending.get(of) or self._begin(*of)
            line.requests += x.requests
            line.failed += x.failed
            line.prompt += x.prompt_tokens
            line.completion += x.completion_tokens
            line.assumed += x.assumed_tokens

    def _begin(self, key: str, model: str, day: int) -> Line:
        if len(self._pending) >= MAX_PENDING:
            model = OTHERS
        return self._pending.setdefault((key, model, day), Line())


def _clean(of: tuple[str, str, int]) -> tuple[str, str, int]:
    """A name that the file could not hold would keep everything else from being told."""
    key, model, day = of
    return key, model[:MAX_MODEL_CHARS].encode("utf-8", "replace").decode(), day
