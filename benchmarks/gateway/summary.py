"""From samples to figures: sums over the rounds of one way in one case, and its distance from
the direct way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    """By role, of the processes between client and upstream."""
    cpu_us_per_token: Mapping[str, float]
    errors: Mapping[str, int]
    stalls: int

    @property
    def failures(self) -> int:
        """Requests that were not answered completely."""
        return sum(self.errors.values())


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
        requests_per_s=per(requests, seconds),
        tokens_per_s=per(tokens, seconds),
        total_p50_ms=percentile(total, 0.5),
        total_p99_ms=percentile(total, 0.99),
        first_p50_ms=percentile(first, 0.5),
        first_p99_ms=percentile(first, 0.99),
        cpu_ms_per_request={role: per(s * 1e3, requests) for role, s in cpu_s.items()},
        cpu_us_per_token={role: per(s * 1e6, tokens) for role, s in cpu_s.items()},
        errors=dict(errors),
        stalls=sum(sample.tally.stalls for sample in samples),
    )


def compare(samples: Sequence[Sample]) -> list[Comparison]:
    """Every way but the direct one beside it, case by case."""
    found = []
    for case, ways in by_case(samples):
        direct = ways[DIRECT]
        for way, through in ways.items():
            if way != DIRECT:
                ratio = median_ratio(through, direct, rate)
                found.append(Comparison(case, way, summarise(direct), summarise(through), ratio))
    return found


def by_case(samples: Sequence[Sample]) -> list[tuple[Case, dict[str, list[Sample]]]]:
    """The samples of each case, by way, in the order of the rounds."""
    found: dict[Case, dict[str, list[Sample]]] = {}
    for sample in samples:
        found.setdefault(sample.case, {}).setdefault(sample.way, []).append(sample)
    return list(found.items())


def median_ratio(
    mine: Sequence[Sample], theirs: Sequence[Sample], figure: Callable[[Sample], float]
) -> float:
    """Of the rounds' own ratios, so that one noisy round changes nothing."""
    return median(per(figure(a), figure(b)) for a, b in zip(mine, theirs, strict=True))


def rate(sample: Sample) -> float:
    """Requests per second."""
    return per(sample.tally.requests, sample.tally.seconds)


def cpu_s_per_request(sample: Sample) -> float:
    """Of all processes between client and upstream."""
    return per(sum(sample.cpu_s.values()), sample.tally.requests)


def per(amount: float, of: float) -> float:
    return amount / of if of else 0.0


def _unique(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))
