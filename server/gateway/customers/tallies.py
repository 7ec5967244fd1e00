"""Who used what since the ledger was last told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from server.ledger.new_key import MAX_MODEL_CHARS
from server.ledger.usage import Usage

MAX_PENDING: Final = 10_000
"""Different keys, models and days; while the ledger cannot be written, more share one line."""
OTHERS: Final = "(others)"


class Tallies:
    def __init__(self) -> None:
        self._pending: dict[tuple[str, str, int], list[int]] = {}

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
        tally = self._pending.get((key, model, day)) or self._begin(key, model, day)
        tally[0] += 1
        tally[1] += failed
        tally[2] += prompt
        tally[3] += completion
        tally[4] += assumed

    def take(self) -> list[Usage]:
        """All there is; it is told from now on, or put back."""
        pending, self._pending = self._pending, {}
        return [Usage(*_clean(of), *tally) for of, tally in pending.items()]

    def put_back(self, untold: Iterable[Usage]) -> None:
        for x in untold:
            of = (x.key, x.model, x.day)
            counts = (
                x.requests, x.failed, x.prompt_tokens, x.completion_tokens, x.assumed_tokens,
            )  # fmt: skip
            tally = self._pending.get(of) or self._begin(*of)
            tally[:] = [a + b for a, b in zip(tally, counts, strict=True)]

    def _begin(self, key: str, model: str, day: int) -> list[int]:
        if len(self._pending) >= MAX_PENDING:
            model = OTHERS
        return self._pending.setdefault((key, model, day), [0, 0, 0, 0, 0])


def _clean(of: tuple[str, str, int]) -> tuple[str, str, int]:
    """A name that the file could not hold would keep everything else from being told."""
    key, model, day = of
    return key, model[:MAX_MODEL_CHARS].encode("utf-8", "replace").decode(), day
