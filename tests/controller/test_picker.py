from __future__ import annotations

from collections import Counter

from server.controller.picker import Picker, queue_length
from server.controller.registry import Registry
from server.core.limits import SUSPECT_S
from tests.controller.registrations import A, B, beat, ref, registration
from tests.fakes.clock import ManualClock


def picks(picker: Picker, times: int, model: str = "mini") -> Counter[str]:
    found: Counter[str] = Counter()
    for _ in range(times):
        if entry := picker.pick(model):
            entry.handed_out += 1
            found[entry.view.address] += 1
    return found


def test_addresses_given_away_between_two_reports_count() -> None:
    registry = Registry(ManualClock())
    registry.register(registration(A))
    registry.register(registration(B))
    assert picks(Picker(registry, "shortest_queue"), 10) == {A: 5, B: 5}


def test_a_report_takes_the_place_of_what_was_given_away() -> None:
    registry = Registry(ManualClock())
    registry.register(registration(A))
    picker = Picker(registry, "shortest_queue")
    picks(picker, 3)
    [entry] = picker.workers()
    assert queue_length(entry) == 3
    registry.beat(beat(running=1))
    assert queue_length(entry) == 1


def test_a_busy_worker_is_passed_over() -> None:
    registry = Registry(ManualClock())
    registry.register(registration(A))
    registry.register(registration(B))
    registry.beat(beat(A, running=5))
    assert picks(Picker(registry, "shortest_queue"), 5) == {B: 5}


def test_the_lottery_follows_speed() -> None:
    registry = Registry(ManualClock())
    registry.register(registration(A, speed=99.0))
    registry.register(registration(B, speed=1.0))
    assert picks(Picker(registry, "lottery"), 200)[A] > 150


def test_online_suspect_and_draining_workers_are_not_for_fastchat() -> None:
    clock = ManualClock()
    registry = Registry(clock)
    registry.register(registration(A))
    clock.advance(SUSPECT_S)
    registry.sweep()
    registry.register(registration(B))
    registry.drain(ref(B))
    registry.register(registration("http://127.0.0.1:30003", kind="online_api"))
    picker = Picker(registry, "shortest_queue")
    assert list(picker.workers()) == []
    assert picker.pick("mini") is None


def test_a_model_nobody_serves_has_no_worker() -> None:
    registry = Registry(ManualClock())
    registry.register(registration(A))
    assert Picker(registry, "shortest_queue").pick("other") is None
