"""Which models can chat, and how each of them is. Plain functions of plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from server.app.fleet.known import Known, Traffic, model_of
from server.wire.browser import ModelState
from server.wire.fleet import Resting, WorkerView
from server.wire.launcher import ChildState

GATEWAY = "gateway"
_COMING = ("waiting", "starting", "loading")


def model_states(known: Known, expected: Iterable[str] = ()) -> list[ModelState]:
    """Those that can chat, by name. Of an expected one that was never up nobody knows better."""
    by_model: dict[str, list[WorkerView]] = {name: [] for name in expected}
    for worker in known.workers:
        for name in worker.models:
            by_model.setdefault(name, []).append(worker)
    for resting in known.view.resting if known.view else ():
        if not resting.abilities or "chat" in resting.abilities:
            by_model.setdefault(resting.model, [])
    states = [
        _state(known, name, workers) for name, workers in by_model.items() if name not in known.mute
    ]
    states += [
        ModelState(id=name, state="ready", context_length=listed.context_length, workers=1)
        for name, listed in known.listed.items()
        if "chat" in listed.abilities and name not in by_model
    ]
    if GATEWAY in known.faults:
        states = [_unreachable(state, known.faults[GATEWAY]) for state in states]
    return sorted(states, key=lambda state: state.id)


def _state(known: Known, name: str, workers: list[WorkerView]) -> ModelState:
    ready = [worker for worker in workers if worker.state == "ready"]
    nothing = Traffic()
    lengths = [length for worker in workers if (length := worker.context_of(name))]
    coming = None if ready else _coming(known, name)
    asleep = None if ready else _asleep(known, name)
    if asleep is not None:
        return ModelState(id=name, state="ready", context_length=asleep.context_length)
    return ModelState(
        id=name,
        state="ready" if ready else "loading" if coming else "down",
        context_length=min(lengths, default=None),
        workers=len(ready),
        in_flight=sum(known.traffic.get(w.address, nothing).in_flight or 0 for w in workers),
        waiting=sum(worker.load.waiting for worker in workers),
        detail="" if ready else _why(known, name, workers, coming),
    )


def _asleep(known: Known, name: str) -> Resting | None:
    """It has no worker, and can be asked all the same: it is loaded then."""
    resting = known.view.resting if known.view else ()
    return next((one for one in resting if one.model == name and not one.trouble), None)


def _coming(known: Known, name: str) -> ChildState | None:
    return next((c for c in _children(known, name) if c.status in _COMING), None)


def _why(known: Known, name: str, workers: list[WorkerView], coming: ChildState | None) -> str:
    if coming is not None:
        return coming.detail or coming.status
    if workers:
        return f"its worker is {workers[0].state}"
    down = next(_children(known, name), None)
    if down is None:
        return "no worker serves it"
    if down.status == "ready":
        return "its worker's process runs, but the controller does not hear of it"
    return f"{down.status}: {down.detail}" if down.detail else down.status


def _children(known: Known, name: str) -> Iterator[ChildState]:
    children = known.launcher.children if known.launcher else ()
    return (child for child in children if model_of(child) == name)


def _unreachable(state: ModelState, fault: str) -> ModelState:
    return state.model_copy(update={"state": "down", "workers": 0, "detail": fault})
