"""From samples to figures: sums over the rounds of one way in one case, and its distance from
the direct way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import TypeVar

from benchmarks.gateway.cases import Case
from benchmarks.gateway.measure import Sample
from benchmarks.gateway.ways import DIRECT

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figures:
    """One way in one case, all rounds together."""

    requests: int
    requests_per_s: float
    tokens_per_s: float
    total_p50_ms: float
    total_p99_ms: float
    first_p50_ms: float
    first_p99_ms: float
    cpu_ms_per_request: Mapping[str, float]
    cpu_us_per_token: Mapping[str, float]
    errors: Mapping[str, int]
    stalls: int


@dataclass(frozen=True, slots=True)
class Comparison:
    case: Case
    way: str
    direct: Figures
    through: Figures
    ratio: float
    """Requests per second against direct: the median of the rounds' own ratios."""


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of `ordered` does not exceed; 0 of nothing."""
    if not ordered:
        return 0.0
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def summarise(samples: Sequence[Sample]) -> Figures:
    total = sorted(us / 1000 for sample in samples for us in sample.tally.total_us)
    first = sorted(us / 1000 for sample in samples for us in sample.tally.first_us)
    requests = sum(sample.tally.requests for sample in samples)
    tokens = sum(sample.tally.tokens for sample in samples)
    seconds = sum(sample.tally.seconds for sample in samples)
    roles = _unique(role for sample in samples for role in sample.cpu_s)
    cpu_s = {role: sum(sample.cpu_s[role] for sample in samples) for role in roles}
    errors: Counter[str] = Counter()
    for sample in samples:
        errors.update(sample.tally.errors)
    return Figures(
        requests=requests,
        requests_per_s=_per(requests, seconds),
        tokens_per_s=_per(tokens, seconds),
        total_p50_ms=percentile(total, 0.5),
        total_p99_ms=percentile(total, 0.99),
        first_p50_ms=percentile(first, 0.5),
        first_p99_ms=percentile(first, 0.99),
        cpu_ms_per_request={role: _per(s * 1e3, requests) for role, s in cpu_s.items()},
        cpu_us_per_token={role: _per(s * 1e6, tokens) for role, s in cpu_s.items()},
        errors=dict(errors),
        stalls=sum(sample.tally.stalls for sample in samples),
    )


def compare(samples: Sequence[Sample]) -> list[Comparison]:
    """Every way but the direct one beside it, case by case."""
    found = []
    for case in _unique(sample.case for sample in samples):
        here = [sample for sample in samples if sample.case == case]
        direct = [sample for sample in here if sample.way == DIRECT]
        for way in _unique(sample.way for sample in here):
            through = [sample for sample in here if sample.way == way]
            if way != DIRECT:
                ratio = _ratio(through, direct)
                found.append(Comparison(case, way, summarise(direct), summarise(through), ratio))
    return found


def _ratio(through: Sequence[Sample], direct: Sequence[Sample]) -> float:
    pairs = zip(through, direct, strict=True)
    return median(_per(_rate(mine), _rate(theirs)) for mine, theirs in pairs)


def _rate(sample: Sample) -> float:
    return _per(sample.tally.requests, sample.tally.seconds)


def _per(amount: float, of: float) -> float:
    return amount / of if of else 0.0


def _unique(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))
