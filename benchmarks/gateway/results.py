"""All of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.gateway.beside import Beside, beside
from benchmarks.gateway.measure import Measured
from benchmarks.gateway.summary import Comparison, compare


@dataclass(frozen=True, slots=True)
class Results:
    comparisons: tuple[Comparison, ...]
    beside: tuple[Beside, ...]
    resident_before: Mapping[str, int]
    """Bytes by way and role, after the first requests."""
    resident_after: Mapping[str, int]
    ready_s: Mapping[str, float]
    left_out: Mapping[str, str]
    """Why, by the peer's name."""


def results(measured: Measured, left_out: Mapping[str, str]) -> Results:
    return Results(
        tuple(compare(measured.samples)),
        tuple(beside(measured.samples)),
        measured.resident_before,
        measured.resident_after,
        measured.ready_s,
        left_out,
    )
