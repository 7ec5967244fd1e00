from __future__ import annotations

import pytest

from server.controller.registry import Registry
from server.core.errors import BadRequest, Conflict
from server.core.limits import (
    EVICT_S,
    FASTCHAT_EVICT_S,
    FASTCHAT_SUSPECT_S,
    LOADS_S,
    SETTLE_S,
    SUSPECT_S,
)
from server.wire.fleet import VERSION, Load, State
from tests.controller.registrations import A, B, beat, ref, registration
from tests.fakes.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def registry(clock: ManualClock) -> Registry:
    registry = Registry(clock)
    clock.advance(SETTLE_S)
    registry.sweep()
    return registry


def states(registry: Registry) -> dict[str, State]:
    return {worker.address: worker.state for worker in registry.view().workers}


def test_a_registered_worker_is_listed_once_however_often_it_registers(registry: Registry) -> None:
    registry.register(registration())
    registry.register(registration())
    assert states(registry) == {A: "ready"}


def test_a_worker_silent_for_suspect_s_gets_no_requests_until_it_beats(
    registry: Registry, clock: ManualClock
) -> None:
    registry.register(registration())
    clock.advance(SUSPECT_S)
    registry.sweep()
    assert states(registry) == {A: "suspect"}
    assert list(registry.ready()) == []
    assert registry.beat(beat())
    assert states(registry) == {A: "ready"}


def test_a_worker_silent_for_evict_s_is_gone_and_its_beat_is_not_known(
    registry: Registry, clock: ManualClock
) -> None:
    registry.register(registration())
    clock.advance(EVICT_S)
    registry.sweep()
    assert states(registry) == {}
    assert not registry.beat(beat())
    registry.register(registration(generation="g2"))
    assert states(registry) == {A: "ready"}


def test_a_worker_that_beats_stays(registry: Registry, clock: ManualClock) -> None:
    registry.register(registration())
    for _ in range(20):
        clock.advance(SUSPECT_S - 0.1)
        assert registry.beat(beat())
        registry.sweep()
        assert states(registry) == {A: "ready"}


def test_a_newer_generation_replaces_the_older_whose_words_are_not_believed(
    registry: Registry,
) -> None:
    registry.register(registration(generation="old"))
    registry.register(registration(generation="new", models=("other",)))
    assert [w.models for w in registry.view().workers] == [("other",)]
    assert not registry.beat(beat(generation="old"))
    assert not registry.remove(ref(generation="old"), "worker left")
    assert not registry.drain(ref(generation="old"))
    assert states(registry) == {A: "ready"}


def test_an_older_generation_cannot_come_back_after_a_newer_one(registry: Registry) -> None:
    registry.register(registration(generation="old"))
    registry.register(registration(generation="new"))
    with pytest.raises(Conflict):
        registry.register(registration(generation="old"))
    assert registry.beat(beat(generation="new"))


@pytest.mark.parametrize("reason", ["worker left", "worker process ended"])
def test_a_worker_that_left_or_ended_is_gone_at_once_and_does_not_come_back(
    registry: Registry, reason: str
) -> None:
    registry.register(registration())
    assert registry.remove(ref(), reason)
    assert states(registry) == {}
    with pytest.raises(Conflict):
        registry.register(registration())


def test_the_launcher_need_not_know_a_generation_to_report_a_worker_lost(
    registry: Registry,
) -> None:
    registry.register(registration())
    assert registry.remove(ref(generation=""), "worker process ended")
    assert states(registry) == {}
    registry.register(registration())  # if the word was late, the worker must be able to return


def test_a_draining_worker_goes_on_draining_while_it_beats_and_registers(
    registry: Registry,
) -> None:
    registry.register(registration())
    assert registry.drain(ref())
    assert registry.beat(beat(running=1))
    registry.register(registration())
    assert states(registry) == {A: "draining"}
    registry.register(registration(generation="g2"))
    assert states(registry) == {A: "ready"}


def test_a_worker_remembers_for_the_next_controller_that_it_drains(registry: Registry) -> None:
    registry.register(registration(draining=True))
    assert states(registry) == {A: "draining"}
    assert registry.drains(A)
    assert registry.resume(ref())
    assert not registry.drains(A)


def test_a_stranger_cannot_take_the_address_of_a_live_worker(
    registry: Registry, clock: ManualClock
) -> None:
    registry.register(registration())
    stranger = registration(generation="g2", protocol="fastchat", kind="fastchat")
    with pytest.raises(Conflict):
        registry.register(stranger)
    assert registry.view().workers[0].protocol == "openai"
    clock.advance(SUSPECT_S)
    registry.sweep()
    registry.register(stranger)
    assert registry.view().workers[0].protocol == "fastchat"


def test_a_registration_of_another_protocol_version_is_refused(registry: Registry) -> None:
    with pytest.raises(BadRequest, match="version"):
        registry.register(registration(version=VERSION + 1))
    assert states(registry) == {}


def test_a_controller_is_settled_when_every_worker_had_time_to_come_back() -> None:
    clock = ManualClock()
    registry = Registry(clock)
    clock.advance(SETTLE_S - 0.1)
    registry.sweep()
    assert not registry.view().settled
    before = registry.changes.revision
    clock.advance(0.1)
    registry.sweep()
    assert registry.view().settled
    assert registry.changes.revision == before + 1


def test_what_changes_nothing_is_not_published(registry: Registry, clock: ManualClock) -> None:
    registry.register(registration())
    before = registry.changes.revision
    registry.register(registration())
    registry.beat(beat())
    registry.remove(ref(B), "worker left")
    clock.advance(LOADS_S)
    registry.sweep()
    assert registry.changes.revision == before


def test_loads_are_published_together_and_not_too_often(
    registry: Registry, clock: ManualClock
) -> None:
    registry.register(registration())
    registry.register(registration(B))
    before = registry.changes.revision
    registry.beat(beat(running=1))
    registry.beat(beat(B, running=2))
    registry.sweep()
    assert registry.changes.revision == before
    clock.advance(LOADS_S)
    registry.sweep()
    registry.sweep()
    assert registry.changes.revision == before + 1
    assert [w.load.running for w in registry.view().workers] == [1, 2]


def test_who_follows_loads_hears_of_each_at_once_and_of_nothing_else(
    registry: Registry, clock: ManualClock
) -> None:
    registry.register(registration())
    members, loads = registry.members.revision, registry.loads.changes.revision
    registry.beat(beat(running=1))
    assert registry.loads.changes.revision == loads + 1
    registry.beat(beat(running=1))
    clock.advance(LOADS_S)
    registry.sweep()
    assert (registry.members.revision, registry.loads.changes.revision) == (members, loads + 1)
    registry.drain(ref())
    assert (registry.members.revision, registry.loads.changes.revision) == (members + 1, loads + 1)


def test_a_worker_that_is_gone_has_no_load(registry: Registry) -> None:
    registry.register(registration())
    registry.beat(beat(running=1))
    registry.remove(ref(), "worker left")
    assert registry.loads.since(0) == b'{"loads":{}}\n'


def test_a_fastchat_worker_is_given_fastchats_own_time(
    registry: Registry, clock: ManualClock
) -> None:
    registry.register(registration(protocol="fastchat", kind="fastchat"))
    clock.advance(FASTCHAT_SUSPECT_S - 1)
    registry.sweep()
    assert states(registry) == {A: "ready"}
    clock.advance(1)
    registry.sweep()
    assert states(registry) == {A: "suspect"}
    assert registry.beat_of_fastchat(A, Load(running=3))
    assert states(registry) == {A: "ready"}
    clock.advance(FASTCHAT_EVICT_S)
    registry.sweep()
    assert not registry.beat_of_fastchat(A, Load())


def test_a_beat_without_generation_is_not_believed_for_one_of_our_workers(
    registry: Registry,
) -> None:
    registry.register(registration())
    assert not registry.beat_of_fastchat(A, Load(running=9))
    assert not registry.beat(beat(generation=""))


def test_a_worker_that_never_beats_never_expires(registry: Registry, clock: ManualClock) -> None:
    registry.register(registration(protocol="fastchat"), expires=False)
    clock.advance(10 * FASTCHAT_EVICT_S)
    registry.sweep()
    assert states(registry) == {A: "ready"}


def test_a_drained_worker_can_serve_again(registry: Registry) -> None:
    registry.register(registration())
    assert registry.drain(ref())
    assert not list(registry.ready())
    assert registry.resume(ref())
    assert states(registry) == {A: "ready"}
    assert not registry.resume(ref(B))
