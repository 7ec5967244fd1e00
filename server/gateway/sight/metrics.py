"""`GET /metrics`: the numbers in Prometheus's text format. The library only writes them down.

Several gateways of a fleet are told apart by a label and not added up here: a sum would fall when
one of them restarts, and Prometheus would take that for a great leap.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from server.gateway.sight.counts import FIRST_BYTE_BOUNDS_S, WHOLE_BOUNDS_S
from server.gateway.sight.faults import FAULTS, fault_of
from server.gateway.sight.fleet import worker_families
from server.wire.sight import Ended, GatewayNumbers, SeriesNumbers, Spread

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_SERIES = ("gateway", "model", "lane")
NONE = "none"
"""The model and lane of a request that never came as far."""
_PROCESS_COUNTERS = frozenset({"process_cpu_seconds_total"})

Numbers = Sequence[GatewayNumbers]


def exposition(numbers: Numbers) -> bytes:
    """Of several gateways; each is told once."""
    told = tuple({one.gateway: one for one in reversed(numbers)}.values())[::-1]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(families(told)))
    return generate_latest(registry)


def process_numbers() -> dict[str, float]:
    """CPU, memory and descriptors of this process; empty where there is no /proc."""
    collected = ProcessCollector(registry=None).collect()
    return {sample.name: sample.value for family in collected for sample in family.samples}


class _Once(Collector):
    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


def families(numbers: Numbers) -> Iterator[Metric]:
    yield from _request_counts(numbers)
    yield _failed(numbers)
    yield from _times(numbers)
    yield _tokens(numbers)
    yield from _attempts(numbers)
    yield from _other_counts(numbers)
    yield from worker_families(numbers)
    yield from _processes(numbers)


def _all_series(numbers: Numbers) -> Iterator[tuple[tuple[str, ...], SeriesNumbers]]:
    """Each with the values of its labels `_SERIES`."""
    for one in numbers:
        for series in one.series:
            yield (one.gateway, series.model, series.lane), series


def _request_counts(numbers: Numbers) -> Iterator[Metric]:
    ended = CounterMetricFamily(
        "shortline_requests",
        "Requests that ended, by how: outcome, HTTP status (0: the client saw none), error code.",
        labels=(*_SERIES, "outcome", "status", "code"),
    )
    in_flight = GaugeMetricFamily(
        "shortline_requests_in_flight", "Requests that have begun and not ended.", labels=_SERIES
    )
    for at, series in _all_series(numbers):
        in_flight.add_metric(at, series.in_flight)
        for end in series.ended:
            ended.add_metric((*at, end.outcome, str(end.status), end.code), end.count)
    refused = CounterMetricFamily(
        "shortline_requests_refused",
        "Requests that never came as far as a model: no key, bad JSON, no HTTP.",
        labels=("gateway", "status", "code"),
    )
    for one in numbers:
        for end in one.refused:
            refused.add_metric((one.gateway, str(end.status), end.code), end.count)
    yield from (ended, in_flight, refused)


def _failed(numbers: Numbers) -> Metric:
    """Each from 0 on: `rate` does not see a counter begin at 300."""
    failed = CounterMetricFamily(
        "shortline_requests_failed",
        "Requests that did not end well, by whose affair that is.",
        labels=(*_SERIES, "fault"),
    )
    for at, series in _all_series(numbers):
        _add_faults(failed, at, series.ended)
    for one in numbers:
        _add_faults(failed, (one.gateway, NONE, NONE), one.refused)
    return failed


def _add_faults(to: CounterMetricFamily, at: tuple[str, ...], ends: Iterable[Ended]) -> None:
    counts = dict.fromkeys(FAULTS, 0)
    for end in ends:
        fault = fault_of(end.outcome, end.status, end.code)
        if fault is not None:
            counts[fault] += end.count
    for fault, count in counts.items():
        to.add_metric((*at, fault), count)


def _times(numbers: Numbers) -> Iterator[Metric]:
    first_byte = HistogramMetricFamily(
        "shortline_time_to_first_byte_seconds",
        "From a streamed request's coming to the first byte of its answer.",
        labels=_SERIES,
    )
    whole = HistogramMetricFamily(
        "shortline_request_seconds",
        "From a request's coming to its end, where that was a whole answer.",
        labels=_SERIES,
    )
    for at, series in _all_series(numbers):
        first_byte.add_metric(
            at, _buckets(series.first_byte, FIRST_BYTE_BOUNDS_S), series.first_byte.sum_s
        )
        whole.add_metric(at, _buckets(series.whole, WHOLE_BOUNDS_S), series.whole.sum_s)
    yield from (first_byte, whole)


def _buckets(spread: Spread, bounds: Sequence[float]) -> list[tuple[str, float]]:
    names = (*map(str, bounds), "+Inf")
    return list(zip(names, map(float, accumulate(spread.counts)), strict=True))


def _tokens(numbers: Numbers) -> Metric:
    tokens = CounterMetricFamily(
        "shortline_tokens",
        "Tokens read (prompt) and written (completion); origin: who counted them.",
        labels=(*_SERIES, "kind", "origin"),
    )
    for at, series in _all_series(numbers):
        for kind, counts in (
            ("prompt", series.prompt_tokens),
            ("completion", series.completion_tokens),
        ):
            for origin, count in counts.items():
                tokens.add_metric((*at, kind, origin), count)
    return tokens


def _attempts(numbers: Numbers) -> Iterator[Metric]:
    attempts = CounterMetricFamily(
        "shortline_upstream_attempts", "Workers that were asked.", labels=_SERIES
    )
    retries = CounterMetricFamily(
        "shortline_upstream_retries", "Of those, not the first of their request.", labels=_SERIES
    )
    failures = CounterMetricFamily(
        "shortline_upstream_failures", "Of those, failed, by why.", labels=(*_SERIES, "trouble")
    )
    for at, series in _all_series(numbers):
        attempts.add_metric(at, series.attempts)
        retries.add_metric(at, series.retries)
        for trouble, count in series.failures.items():
            failures.add_metric((*at, trouble), count)
    yield from (attempts, retries, failures)


def _other_counts(numbers: Numbers) -> Iterator[Metric]:
    retries = CounterMetricFamily(
        "shortline_retries_refused",
        "Retries that the retry budget did not allow.",
        labels=("gateway",),
    )
    spans = CounterMetricFamily(
        "shortline_spans_dropped",
        "Requests whose traces no collector took.",
        labels=("gateway",),
    )
    for one in numbers:
        retries.add_metric((one.gateway,), one.retries_refused)
        spans.add_metric((one.gateway,), one.spans_dropped)
    yield from (retries, spans)


def _processes(numbers: Numbers) -> Iterator[Metric]:
    for name in dict.fromkeys(name for one in numbers for name in one.process):
        kind = CounterMetricFamily if name in _PROCESS_COUNTERS else GaugeMetricFamily
        family = kind(name.removesuffix("_total"), "Of a gateway's process.", labels=("gateway",))
        for one in numbers:
            if name in one.process:
                family.add_metric((one.gateway,), one.process[name])
        yield family
