from __future__ import annotations

from asyncio import CancelledError
from functools import partial

import pytest

from server.core.errors import BadRequest, ModelNotFound, Overloaded, Unavailable
from server.gateway.fleet import Fleet
from server.wire.fleet import FleetView, GatewayView, Load, Loads, WorkerView
from server.wire.lanes import Lane
from tests.fakes.clock import ManualClock
from tests.gateway.conftest import view

A, B = "http://127.0.0.1:30001", "http://127.0.0.1:30002"
SIBLINGS = [f"sibling-{number}" for number in range(15)]


def fleet(*workers: WorkerView) -> Fleet:
    made = Fleet("gw")
    made.apply(FleetView(controller="c1", workers=workers))
    return made


async def test_a_request_counts_from_its_taking_to_its_end() -> None:
    there = fleet(view(A))
    with there.take("m", "chat"):
        with there.take("m", "chat"):
            assert there.in_flight() == {A: 2}
        assert there.in_flight() == {A: 1}
    assert there.in_flight() == {A: 0}


async def test_the_shortest_queue_is_taken_to_the_request() -> None:
    there = fleet(view(A), view(B))
    taken = [there.take("m", "chat").worker.view.address for _ in range(6)]
    assert all(set(pair) == {A, B} for pair in zip(taken[::2], taken[1::2], strict=True))


async def test_what_a_worker_reports_of_us_is_not_counted_twice() -> None:
    ours = {"running": 2, "by_gateway": {"gw": 2}}
    there = fleet(view(A, load=ours), view(B, load={"running": 1}))
    assert there.take("m", "chat").worker.view.address == A


async def test_full_is_overloaded_gone_is_unavailable_and_never_there_is_not_found() -> None:
    there = fleet(view(A, slots=1, queue=0))
    with there.take("m", "chat"), pytest.raises(Overloaded):
        there.take("m", "chat")
    there.apply(FleetView(controller="c1"))
    with pytest.raises(Unavailable):
        there.take("m", "chat")
    with pytest.raises(ModelNotFound):
        there.take("other", "chat")


async def test_waiting_batch_work_keeps_nobody_else_out() -> None:
    load = {"running": 2, "waiting": 2, "by_lane": {"batch": 2}}
    there = fleet(view(A, load=load))
    lanes: tuple[Lane, ...] = ("interactive", "normal")
    for lane in lanes:
        there.take("m", "chat", lane=lane).release()
    with pytest.raises(Overloaded):
        there.take("m", "chat", lane="batch")


async def test_a_model_that_cannot_do_it_says_so() -> None:
    with pytest.raises(BadRequest, match="embeddings"):
        fleet(view(A, abilities=("chat",))).take("m", "embeddings")


async def test_suspects_and_those_that_drain_get_nothing_new() -> None:
    there = fleet(view(A, state="suspect"), view(B, state="draining"))
    with pytest.raises(Unavailable):
        there.take("m", "chat")


async def test_one_that_refused_a_connection_rests_while_another_can_serve() -> None:
    there = fleet(view(A), view(B, load={"running": 1}))
    there.take("m", "chat").fail("refused")
    assert [there.take("m", "chat").worker.view.address for _ in range(2)] == [B, B]


async def test_a_model_whose_workers_all_rest_is_unavailable_for_so_long() -> None:
    there = fleet(view(A))
    there.take("m", "chat").fail("refused")
    with pytest.raises(Unavailable) as refusal:
        there.take("m", "chat")
    assert refusal.value.retry_after_s == pytest.approx(1.0, abs=0.1)
    there.apply(FleetView(controller="c1", workers=(view(A, generation="g2"),)))
    there.take("m", "chat")


async def test_that_a_worker_fails_at_one_model_says_nothing_of_another() -> None:
    there = fleet(view(A, models=("m", "k")))
    there.take("m", "chat").fail("refused")
    with pytest.raises(Unavailable):
        there.take("m", "chat")
    there.take("k", "chat")


async def test_a_request_that_ends_unserved_gives_its_probe_back() -> None:
    there = fleet(view(A))
    worker = there.take("m", "chat").worker
    for _ in range(3):
        worker.breaker_of("m").fail("lost", -100.0, probe=False)
    with pytest.raises(CancelledError), there.take("m", "chat"):
        assert worker.breaker_state(0.0) == "half_open"
        with pytest.raises(Unavailable):
            there.take("m", "chat")
        raise CancelledError
    with there.take("m", "chat") as probe:
        probe.answered(0.0)
    with there.take("m", "chat"), there.take("m", "chat"):
        assert worker.breaker_state(0.0) == "closed"


async def test_requests_that_belong_together_stay_together_while_it_is_no_burden() -> None:
    there = fleet(*(view(f"http://127.0.0.1:{port}", slots=8) for port in range(30001, 30009)))
    taken = [there.take("m", "chat", affinity=b"session") for _ in range(3)]
    first = taken[0].worker.view.address
    assert taken[1].worker.view.address == first
    assert taken[2].worker.view.address != first  # it had two, and the others nothing
    for lease in taken:
        lease.release()
    assert there.take("m", "chat", affinity=b"session").worker.view.address == first


def several(clock: ManualClock, *workers: WorkerView) -> Fleet:
    """What one of sixteen gateways knows."""
    gateways = tuple(GatewayView(id=id, address=f"http://{id}") for id in ("gw", *SIBLINGS))
    there = Fleet("gw", clock=clock)
    there.apply(FleetView(controller="c1", workers=workers, gateways=gateways))
    return there


def chosen(there: Fleet, clock: ManualClock, *, every_s: float, times: int = 60) -> set[str]:
    """Where so many requests go, each of which ends at once."""
    found = set()
    for _ in range(times):
        with there.take("m", "chat") as lease:
            found.add(lease.worker.view.address)
        clock.advance(every_s)
        there.hear(Loads(loads={}))
    return found


async def test_a_gateway_that_is_asked_rarely_believes_its_reports() -> None:
    clock = ManualClock()
    there = several(clock, view(A, slots=8), view(B, slots=8, load={"running": 4}))
    assert chosen(there, clock, every_s=10.0) == {A}


async def test_one_that_is_asked_often_knows_that_the_others_have_filled_the_shortest() -> None:
    clock = ManualClock()
    there = several(clock, view(A, slots=8), view(B, slots=8, load={"running": 4}))
    assert chosen(there, clock, every_s=0.01) == {A, B}


async def test_reports_that_have_grown_old_decide_nothing() -> None:
    clock = ManualClock()
    there = several(clock, view(A, slots=8), view(B, slots=8, load={"running": 4}))
    assert chosen(there, clock, every_s=1.0, times=10) == {A}
    clock.advance(60.0)
    there.take("m", "chat")
    assert {there.take("m", "chat").worker.view.address for _ in range(10)} == {A, B}


async def test_reports_of_fastchats_workers_are_always_old() -> None:
    clock = ManualClock()
    idle = view(A, slots=8, protocol="fastchat")
    there = several(clock, idle, view(B, slots=8, load={"running": 4}))
    assert chosen(there, clock, every_s=1.0) == {A, B}


async def test_a_load_that_is_heard_of_counts_without_what_is_ours() -> None:
    there = fleet(view(A), view(B))
    load = Load(running=3, by_gateway={"gw": 1})
    there.hear(Loads(loads={A: load, "http://127.0.0.1:1": Load(running=9)}))
    found = {worker.view.address: worker for worker in there.workers()}
    assert (found[A].others, found[B].others) == (2, 0)
    assert found[A].view == view(A, load=load)


async def test_a_new_controller_that_has_heard_nobody_yet_takes_nobody_away() -> None:
    there = fleet(view(A), view(B))
    there.apply(FleetView(controller="c2", settled=False))
    there.apply(FleetView(controller="c2", settled=False, workers=(view(A),)))
    assert set(there.in_flight()) == {A, B}
    there.apply(FleetView(controller="c2", settled=True, workers=(view(A),)))
    assert set(there.in_flight()) == {A}


async def test_whom_a_new_controller_named_and_names_no_more_is_gone() -> None:
    there = fleet()
    there.apply(FleetView(controller="c2", settled=False, workers=(view(A), view(B))))
    there.apply(FleetView(controller="c2", settled=False, workers=(view(B),)))
    assert set(there.in_flight()) == {B}


async def test_what_is_missing_is_said_in_words() -> None:
    there = Fleet("gw", expected=("m",))
    assert there.missing() == "no word from the controller yet"
    there.apply(FleetView(controller="c1"))
    assert there.missing() == "no worker for m"
    there.apply(FleetView(controller="c1", workers=(view(A),)))
    assert there.missing() is None


async def test_a_fleet_of_suspects_is_not_ready() -> None:
    there = Fleet("gw", expected=("m",))
    there.apply(FleetView(controller="c1", workers=(view(A, state="suspect"),)))
    assert there.missing() == "no worker for m"


async def test_a_model_that_came_and_went_from_elsewhere_is_not_missed() -> None:
    there = fleet(view(A, models=("visitor",)))
    there.apply(FleetView(controller="c1"))
    assert there.missing() is None


async def test_a_request_moves_only_where_its_own_model_is_served() -> None:
    both = view(A, models=("m", "k"), slots=8), view(B, models=("k",))
    there = fleet(*both)
    moved: list[str] = []
    for model in ("m", "k"):
        lease = there.take(model, "chat")
        assert lease.worker.view.address == A
        lease.leave = partial(moved.append, model)
    suspect = both[0].model_copy(update={"state": "suspect"})
    there.apply(FleetView(controller="c1", workers=(suspect, both[1])))
    assert moved == ["k"]
    there.apply(FleetView(controller="c1", workers=(suspect, both[1])))
    assert moved == ["k"]  # once is enough


async def test_who_has_left_for_good_is_not_found_and_who_is_down_is_unavailable() -> None:
    guest, other = view(A, name="guest@here", models=("m", "x")), view(B, name="other@here")
    there = fleet(guest, other)
    left = FleetView(controller="c1", workers=(other,), dismissed=("guest@here",))
    there.apply(left)
    there.take("m", "chat")
    with pytest.raises(ModelNotFound):
        there.take("x", "chat")
    there.apply(FleetView(controller="c1", dismissed=("guest@here",)))
    with pytest.raises(Unavailable):
        there.take("m", "chat")
    there.apply(FleetView(controller="c1", workers=(guest,)))
    there.apply(FleetView(controller="c1"))
    with pytest.raises(Unavailable):
        there.take("x", "chat")


async def test_who_has_left_for_good_serves_until_it_ends() -> None:
    guest = view(A, name="guest@here")
    there = fleet(guest)
    there.apply(FleetView(controller="c1", workers=(guest,), dismissed=("guest@here",)))
    there.take("m", "chat")
    there.apply(FleetView(controller="c1", dismissed=("guest@here",)))
    with pytest.raises(ModelNotFound):
        there.take("m", "chat")


async def test_what_was_expected_is_not_forgotten() -> None:
    made = Fleet("gw", expected=["m"])
    made.apply(FleetView(controller="c1", workers=(view(A, name="guest@here"),)))
    made.apply(FleetView(controller="c1", dismissed=("guest@here",)))
    with pytest.raises(Unavailable):
        made.take("m", "chat")
