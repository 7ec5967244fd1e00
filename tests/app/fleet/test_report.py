from __future__ import annotations

import pytest

from server.app.fleet.known import Known, Listed, Traffic, model_of, read_listed
from server.app.fleet.models import GATEWAY, model_states
from server.app.fleet.report import fleet_report
from server.wire.fleet import FleetView, Load, WorkerView
from server.wire.launcher import ChildState, ChildStatus, LauncherState

ADDRESS = "http://127.0.0.1:5001"


def child(name: str = "model_worker m", **changes: object) -> ChildState:
    fields = {"role": "model_worker", "status": "ready", "pid": 11, "address": ADDRESS}
    return ChildState.model_validate({"name": name} | fields | changes)


def worker(address: str = ADDRESS, **changes: object) -> WorkerView:
    fields: dict[str, object] = {"address": address, "models": ("m",), "context_length": 2048}
    return WorkerView.model_validate(fields | changes)


def known(*children: ChildState, workers: tuple[WorkerView, ...] = (), **more: object) -> Known:
    launcher = LauncherState(
        pid=1, created=0, version="0", home="", log_folder="", drain_s=1, phase="running",
        children=children,
    )  # fmt: skip
    fields: dict[str, object] = {"memory": {11: 2**20}} | more
    known = Known(launcher=launcher, **fields)  # type: ignore[arg-type]
    return known.seeing(FleetView(workers=workers))


def test_a_child_that_works_is_shown_with_its_work() -> None:
    load = Load(running=1, waiting=2)
    traffic = {ADDRESS: Traffic(in_flight=3, served=10, failed=1)}
    report = fleet_report(
        known(child(), workers=(worker(slots=4, load=load),), traffic=traffic), ("m",), 5.0
    )
    (shown,) = report.processes
    assert (report.state, report.missing, report.time) == ("ok", (), 5.0)
    assert (shown.status, shown.memory_bytes, shown.models) == ("ready", 2**20, ("m",))
    assert (shown.slots, shown.running, shown.waiting, shown.in_flight) == (4, 1, 2, 3)
    assert (shown.served, shown.failed) == (10, 1)
    assert shown.can == ("stop", "restart", "drain")


@pytest.mark.parametrize(
    ("status", "can"),
    [
        ("waiting", ()),
        ("starting", ("stop", "restart")),
        ("loading", ("stop", "restart")),
        ("backoff", ("start",)),
        ("quarantined", ("start",)),
        ("stopping", ()),
        ("stopped", ("start",)),
    ],
)
def test_what_can_be_done_depends_on_how_it_is(status: ChildStatus, can: tuple[str, ...]) -> None:
    report = fleet_report(known(child(status=status, detail="why")), (), 0.0)
    assert report.processes[0].can == can
    assert report.state == "degraded"
    assert report.missing == (f"model_worker m is {status}: why",)


def test_only_workers_are_at_an_operators_disposal() -> None:
    report = fleet_report(known(child("api", role="api", address=None)), (), 0.0)
    assert report.processes[0].can == ()


def test_a_child_whose_process_is_not_there_is_gone() -> None:
    report = fleet_report(known(child(pid=99)), (), 0.0)
    assert (report.processes[0].status, report.processes[0].pid) == ("gone", None)
    assert "model_worker m is gone" in report.missing


def test_a_silent_worker_is_suspect_whatever_the_launcher_thinks() -> None:
    report = fleet_report(known(child(), workers=(worker(state="suspect"),)), ("m",), 0.0)
    assert report.processes[0].status == "suspect"
    assert report.missing == ("no worker serves m", f"the worker at {ADDRESS} is suspect")


def test_workers_of_other_machines_are_shown_too() -> None:
    far = worker("http://10.0.0.2:5001")
    shown = fleet_report(known(workers=(far,)), (), 0.0).processes[0]
    assert (shown.name, shown.pid, shown.can) == ("http://10.0.0.2:5001", None, ("drain",))


def test_what_does_not_answer_is_named() -> None:
    report = fleet_report(known(faults={"controller": "the controller does not answer"}), (), 0.0)
    assert report.missing == ("the controller does not answer",)


def test_models_are_ready_loading_or_down() -> None:
    loading = child("model_worker b#2", status="loading", detail="reading weights", address=None)
    states = model_states(known(child(), loading, workers=(worker(),)), ("m", "b", "c"))
    assert [(s.id, s.state, s.detail) for s in states] == [
        ("b", "loading", "reading weights"),
        ("c", "down", "no worker serves it"),
        ("m", "ready", ""),
    ]


def test_a_process_that_the_controller_has_lost_serves_no_model() -> None:
    (state,) = model_states(known(child("model_worker m")), ("m",))
    assert (state.state, state.workers) == ("down", 0)
    assert state.detail == "its worker's process runs, but the controller does not hear of it"


def test_models_that_cannot_chat_are_not_offered() -> None:
    embedding = worker(models=("e",), abilities=("embeddings",))
    there = known(workers=(embedding,))
    assert model_states(there, ("e",)) == []
    assert model_states(there.seeing(FleetView()), ("e",)) == []


def test_the_shortest_context_of_a_models_workers_counts() -> None:
    pair = (worker(), worker("http://127.0.0.1:5002", context_length=1024))
    (state,) = model_states(known(workers=pair))
    assert (state.context_length, state.workers) == (1024, 2)


def test_no_model_is_ready_behind_a_gateway_that_does_not_answer() -> None:
    (state,) = model_states(known(child(), workers=(worker(),), faults={GATEWAY: "it is gone"}))
    assert (state.state, state.detail) == ("down", "it is gone")


def test_without_a_controller_the_gateway_says_what_there_is() -> None:
    listed = read_listed(
        [
            {"id": "a"},
            {"id": "b", "abilities": ["chat"], "context_length": 8},
            {"id": "e", "abilities": ["embeddings"]},
            {"id": 5},
            {"id": "x", "abilities": "chat"},
        ]
    )
    assert listed["a"] == Listed(("chat",), None)
    states = model_states(Known(listed=listed))
    assert [(s.id, s.state, s.context_length) for s in states] == [
        ("a", "ready", None),
        ("b", "ready", 8),
    ]


def test_a_models_name_may_have_a_number_sign() -> None:
    assert model_of(child("model_worker c#")) == "c#"
    assert model_of(child("model_worker org/c#2")) == "org/c"
    assert model_of(child("online_api x", role="online_api")) is None
