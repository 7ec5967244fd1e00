from __future__ import annotations

from server.controller.registry import Registry
from server.controller.sweeper import SWEEP_S, Sweeper
from server.core.limits import EVICT_S
from tests.controller.registrations import registration
from tests.fakes.clock import ManualClock


def test_the_time_this_process_was_asleep_is_nobodys_silence() -> None:
    clock = ManualClock()
    registry = Registry(clock)
    sweeper = Sweeper(registry, clock)
    registry.register(registration())
    clock.advance(40)
    sweeper.sweep()
    assert [w.state for w in registry.view().workers] == ["ready"]


def test_silence_while_this_process_ran_counts() -> None:
    clock = ManualClock()
    registry = Registry(clock)
    sweeper = Sweeper(registry, clock)
    registry.register(registration())
    for _ in range(int(EVICT_S / SWEEP_S)):
        clock.advance(SWEEP_S)
        sweeper.sweep()
    assert registry.view().workers == ()


def test_a_controller_whose_sweeper_has_stopped_is_not_ready() -> None:
    clock = ManualClock()
    sweeper = Sweeper(Registry(clock), clock)
    assert sweeper.missing() is None
    clock.advance(10)
    assert sweeper.missing() is not None
