"""The fleet as metrics: what workers say of themselves, and what gateways find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from server.wire.sight import GatewayNumbers, WorkerNumbers

WORKER_STATES = ("ready", "suspect", "draining")
GONE = "gone"
BREAKER_STATES = ("closed", "open", "half_open")


def worker_families(numbers: Sequence[GatewayNumbers]) -> Iterator[Metric]:
    every = tuple(worker for one in numbers for worker in one.workers)
    here = tuple({w.name: w for w in reversed(every) if w.state != GONE}.values())
    yield from _states(here)
    yield from _loads(here)
    yield from _counts(every)
    yield from _found_by(numbers)


def _states(workers: Sequence[WorkerNumbers]) -> Iterator[Metric]:
    serves = GaugeMetricFamily(
        "shortline_worker_serves", "1 for each model of each worker.", labels=("worker", "model")
    )
    state = GaugeMetricFamily(
        "shortline_worker_state", "1 for the state it is in, else 0.", labels=("worker", "state")
    )
    info = GaugeMetricFamily(
        "shortline_worker_info", "1 for where it is reached.", labels=("worker", "address")
    )
    for worker in workers:
        for address in worker.addresses:
            info.add_metric((worker.name, address), 1)
        for model in worker.models:
            serves.add_metric((worker.name, model), 1)
        for name in WORKER_STATES:
            state.add_metric((worker.name, name), float(worker.state == name))
    yield from (info, serves, state)


def _loads(workers: Sequence[WorkerNumbers]) -> Iterator[Metric]:
    gauges = {
        "running": "Requests that it works on, as it said last.",
        "slots": "Requests that it can work on at a time.",
        "queue": "Requests that may wait there.",
    }
    for name, about in gauges.items():
        family = GaugeMetricFamily(f"shortline_worker_{name}", about, labels=("worker",))
        for worker in workers:
            family.add_metric((worker.name,), getattr(worker, name))
        yield family
    waiting = GaugeMetricFamily(
        "shortline_worker_waiting",
        "Requests that wait there for a slot, as it said last.",
        labels=("worker", "lane"),
    )
    for worker in workers:
        for lane, count in worker.waiting.items():
            waiting.add_metric((worker.name, lane), count)
    yield waiting


def _counts(workers: Sequence[WorkerNumbers]) -> Iterator[Metric]:
    """As the best informed gateway heard: one that lags behind must not make them fall."""
    counters = {
        "cancelled": "Requests that it stopped because somebody left or time was up.",
        "tokens_after_cancel": "Tokens that it made for nobody, after a request was cancelled.",
        "generated_tokens": "Tokens that it made in all.",
    }
    for name, about in counters.items():
        family = CounterMetricFamily(f"shortline_worker_{name}", about, labels=("worker",))
        most: dict[str, int] = {}
        for worker in workers:
            value = getattr(worker, name)
            if value is not None:
                most[worker.name] = max(value, most.get(worker.name, 0))
        for worker_name, value in most.items():
            family.add_metric((worker_name,), value)
        yield family


def _found_by(numbers: Sequence[GatewayNumbers]) -> Iterator[Metric]:
    """What each gateway knows of its own requests there."""
    at = ("gateway", "worker")
    in_flight = GaugeMetricFamily(
        "shortline_worker_in_flight", "Requests of the gateway there.", labels=at
    )
    served = CounterMetricFamily(
        "shortline_worker_served", "Requests of the gateway that it answered.", labels=at
    )
    failed = CounterMetricFamily(
        "shortline_worker_failed",
        "Requests of the gateway that it lost, refused or was silent to.",
        labels=at,
    )
    breaker = GaugeMetricFamily(
        "shortline_worker_breaker",
        "1 for the state that the gateway's circuit breaker for it is in, else 0.",
        labels=(*at, "state"),
    )
    for one in numbers:
        for worker in one.workers:
            here = (one.gateway, worker.name)
            served.add_metric(here, worker.served)
            failed.add_metric(here, worker.failed)
            if worker.state == GONE:
                continue
            in_flight.add_metric(here, worker.in_flight)
            for name in BREAKER_STATES:
                breaker.add_metric((*here, name), float(worker.breaker == name))
    yield from (in_flight, served, failed, breaker)
