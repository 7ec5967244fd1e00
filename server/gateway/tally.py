"""How a worker has done for this gateway: counts, and the times of its last requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

LAST = 200
"""Requests whose times are kept."""


@dataclass(slots=True)
class Tally:
    served: int = 0
    failed: int = 0
    """Lost, refused or silent; a client that left is neither served nor failed."""
    times: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=LAST))
    """Seconds to the first byte and to the last one."""

    def serve(self, first_byte_s: float, whole_s: float) -> None:
        self.served += 1
        self.times.append((first_byte_s, whole_s))


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """The smallest value that so many per cent do not exceed; None without values."""
    ordered = sorted(values)

    def at(percent: int) -> float | None:
        return round(ordered[ceil(percent / 100 * len(ordered)) - 1], 4) if ordered else None

    return {"p50": at(50), "p95": at(95)}
