"""The fleet at the moment of a scrape: what workers say of themselves, and what gateways find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from server.gateway.sight.counts import OTHER
from server.gateway.worker import Worker
from server.wire.fleet import Load
from server.wire.lanes import LANES
from server.wire.sight import GatewayNumbers, WorkerNumbers

WORKER_STATES = ("ready", "suspect", "draining")
BREAKER_STATES = ("closed", "open", "half_open")


def worker_numbers(workers: Iterable[Worker]) -> tuple[WorkerNumbers, ...]:
    return tuple(map(_numbers, workers))


def _numbers(worker: Worker) -> WorkerNumbers:
    view, load = worker.view, worker.view.load
    tells = view.protocol == "openai"
    return WorkerNumbers(
        address=view.address,
        models=view.models,
        state=view.state,
        breaker=worker.breaker_state,
        in_flight=len(worker.leases),
        served=worker.tally.served,
        failed=worker.tally.failed,
        running=load.running,
        waiting=_waiting(load),
        slots=view.slots,
        queue=view.queue,
        cancelled=load.cancelled if tells else None,
        tokens_after_cancel=load.tokens_after_cancel if tells else None,
        generated_tokens=load.generated if tells else None,
    )


def _waiting(load: Load) -> dict[str, int]:
    """By lane; a worker that knows no lanes says only how many."""
    lanes: dict[str, int] = {lane: load.by_lane.get(lane, 0) for lane in LANES}
    lanes[OTHER] = max(0, load.waiting - sum(lanes.values()))
    return lanes


def worker_families(numbers: Sequence[GatewayNumbers]) -> Iterator[Metric]:
    known = {worker.address: worker for one in reversed(numbers) for worker in one.workers}
    workers = tuple(known.values())
    yield from _states(workers)
    yield from _loads(workers)
    yield from _counts(workers)
    yield from _found_by(numbers)


def _states(workers: Sequence[WorkerNumbers]) -> Iterator[Metric]:
    serves = GaugeMetricFamily(
        "shortline_worker_serves", "1 for each model of each worker.", labels=("worker", "model")
    )
    state = GaugeMetricFamily(
        "shortline_worker_state", "1 for the state it is in, else 0.", labels=("worker", "state")
    )
    for worker in workers:
        for model in worker.models:
            serves.add_metric((worker.address, model), 1)
        for name in WORKER_STATES:
            state.add_metric((worker.address, name), float(worker.state == name))
    yield from (serves, state)


def _loads(workers: Sequence[WorkerNumbers]) -> Iterator[Metric]:
    gauges = {
        "running": "Requests that it works on, as it said last.",
        "slots": "Requests that it can work on at a time.",
        "queue": "Requests that may wait there.",
    }
    for name, about in gauges.items():
        family = GaugeMetricFamily(f"shortline_worker_{name}", about, labels=("worker",))
        for worker in workers:
            family.add_metric((worker.address,), getattr(worker, name))
        yield family
    waiting = GaugeMetricFamily(
        "shortline_worker_waiting",
        "Requests that wait there for a slot, as it said last.",
        labels=("worker", "lane"),
    )
    for worker in workers:
        for lane, count in worker.waiting.items():
            waiting.add_metric((worker.address, lane), count)
    yield waiting


def _counts(workers: Sequence[WorkerNumbers]) -> Iterator[Metric]:
    counters = {
        "cancelled": "Requests that it stopped because somebody left or time was up.",
        "tokens_after_cancel": "Tokens that it made for nobody, after a request was cancelled.",
        "generated_tokens": "Tokens that it made in all.",
    }
    for name, about in counters.items():
        family = CounterMetricFamily(f"shortline_worker_{name}", about, labels=("worker",))
        for worker in workers:
            value = getattr(worker, name)
            if value is not None:
                family.add_metric((worker.address,), value)
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
            here = (one.gateway, worker.address)
            in_flight.add_metric(here, worker.in_flight)
            served.add_metric(here, worker.served)
            failed.add_metric(here, worker.failed)
            for name in BREAKER_STATES:
                breaker.add_metric((*here, name), float(worker.breaker == name))
    yield from (in_flight, served, failed, breaker)
