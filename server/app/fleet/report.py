"""The fleet as the operator's page shows it. A plain function of plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from server.app.fleet.known import Known, Traffic, model_of
from server.app.fleet.models import model_states
from server.wire.browser import FleetReport, ProcessReport
from server.wire.fleet import WorkerView
from server.wire.launcher import ChildState

Action = Literal["start", "stop", "restart", "drain"]

WORKERS = ("model_worker", "online_api")
_UP = ("starting", "loading", "ready")
_DOWN = ("backoff", "quarantined", "stopped", "asleep")
_ROUTED: dict[str, tuple[Action, ...]] = {"ready": ("drain",), "draining": ("start",)}
"""What can be done to a worker whose process is not ours."""
_NOBODY = Traffic()


def fleet_report(known: Known, expected: Iterable[str], now: float) -> FleetReport:
    """`expected`: models that are configured here; `now`: seconds since 1970."""
    missing = tuple(dict.fromkeys(_missing(known, tuple(expected))))
    return FleetReport(
        time=now,
        state="degraded" if missing else "ok",
        missing=missing,
        processes=tuple(processes(known)),
    )


def processes(known: Known) -> Iterator[ProcessReport]:
    """The launcher's children, then workers that somebody else started."""
    by_address = {worker.address: worker for worker in known.workers}
    for child in known.launcher.children if known.launcher else ():
        worker = by_address.pop(child.address, None) if child.address else None
        yield _child(known, child, worker)
    for worker in by_address.values():
        yield _stranger(known, worker)


def _child(known: Known, child: ChildState, worker: WorkerView | None) -> ProcessReport:
    gone = child.pid is not None and child.pid not in known.memory
    status: str = "gone" if gone else child.status
    if worker is not None and status == "ready":
        status = worker.state
    served = model_of(child)
    return ProcessReport(
        name=child.name,
        role=child.role,
        status=status,
        detail=child.detail or (f"waits for {child.missing}" if child.missing else ""),
        pid=None if gone else child.pid,
        address=child.address,
        path=child.path,
        instead_of=child.instead_of,
        memory_bytes=None if child.pid is None else known.memory.get(child.pid),
        restarts=child.restarts,
        since=child.since or None,
        models=worker.models if worker else (served,) if served else (),
        can=tuple(_possible(child, worker)),
        **_work(known, worker),
    )


def _stranger(known: Known, worker: WorkerView) -> ProcessReport:
    return ProcessReport(
        name=worker.address,
        role=worker.kind,
        status=worker.state,
        address=worker.address,
        models=worker.models,
        can=_ROUTED.get(worker.state, ()),
        **_work(known, worker),
    )


def _work(known: Known, worker: WorkerView | None) -> dict[str, object]:
    if worker is None:
        return {}
    traffic = known.traffic.get(worker.address, _NOBODY)
    return {
        "abilities": worker.abilities,
        "slots": worker.slots,
        "running": worker.load.running,
        "waiting": worker.load.waiting,
        "in_flight": traffic.in_flight,
        "served": traffic.served,
        "failed": traffic.failed,
        "latency": traffic.latency,
    }


def _possible(child: ChildState, worker: WorkerView | None) -> Iterator[Action]:
    """Only workers are at an operator's disposal: without the others, nobody could undo it."""
    if child.role in WORKERS and child.status in _DOWN:
        yield "start"
    if child.role in WORKERS and child.status in _UP:
        yield "stop"
        yield "restart"
    if child.role in WORKERS and child.status == "asleep":
        yield "stop"
    if worker is not None and worker.state == "ready":
        yield "drain"
    if worker is not None and worker.state == "draining" and child.status == "ready":
        yield "start"


def _missing(known: Known, expected: tuple[str, ...]) -> Iterator[str]:
    yield from lacks(known, expected)
    if known.launcher:
        if known.launcher.phase != "running":
            yield f"Shortline is {known.launcher.phase}"
        for child in known.launcher.children:
            yield from _unwell(known, child)
    for worker in known.workers:
        if worker.state != "ready":
            yield f"the worker at {worker.address} is {worker.state}"


def lacks(known: Known, expected: Iterable[str]) -> Iterator[str]:
    """What keeps a question from its answer, in words."""
    yield from known.faults.values()
    for model in model_states(known, expected):
        if model.state != "ready":
            yield f"no worker serves {model.id}"


def _unwell(known: Known, child: ChildState) -> Iterator[str]:
    if child.pid is not None and child.pid not in known.memory:
        yield f"{child.name} is gone"
    elif child.status not in ("ready", "asleep"):
        yield f"{child.name} is {child.status}" + (f": {child.detail}" if child.detail else "")
    elif child.missing:
        yield f"{child.name} waits for {child.missing}"
