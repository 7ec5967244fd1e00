from __future__ import annotations

import pytest

from server.controller.registry import Registry
from server.core.limits import EVICT_S, SUSPECT_S
from server.wire.fleet import Registration, Rest, Resting
from tests.fakes.clock import ManualClock

SLEEPER = Resting(model="big")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def registry(clock: ManualClock) -> Registry:
    registry = Registry(clock)
    registry.rest(Rest(launcher="one", models=(SLEEPER,)))
    return registry


def test_what_rests_is_seen_and_what_is_wanted_of_it(registry: Registry) -> None:
    assert registry.view().resting == (SLEEPER,)
    assert not registry.view().wanted
    assert registry.want("big")
    assert registry.view().wanted == ("big",)


def test_nobody_is_woken_that_no_launcher_knows(registry: Registry) -> None:
    assert not registry.want("other")
    assert not registry.view().wanted


def test_only_news_is_published(registry: Registry) -> None:
    before = registry.members.revision
    registry.rest(Rest(launcher="one", models=(SLEEPER,)))
    assert registry.members.revision == before
    registry.want("big")
    registry.want("big")
    assert registry.members.revision == before + 1


def test_a_wish_lasts_for_as_long_as_it_is_said(registry: Registry, clock: ManualClock) -> None:
    registry.want("big")
    clock.advance(SUSPECT_S)
    registry.sweep()
    assert not registry.view().wanted


def test_a_wish_is_over_when_there_is_a_worker(registry: Registry) -> None:
    registry.want("big")
    registry.register(Registration(address="http://127.0.0.1:9000", models=("big",)))
    assert not registry.view().wanted


def test_a_launcher_that_is_gone_wakes_nobody(registry: Registry, clock: ManualClock) -> None:
    clock.advance(EVICT_S - 1)
    registry.rest(Rest(launcher="two", models=(Resting(model="small"),)))
    clock.advance(1)
    registry.sweep()
    assert [one.model for one in registry.view().resting] == ["small"]


def test_a_controller_that_slept_forgets_nobody(registry: Registry, clock: ManualClock) -> None:
    registry.want("big")
    clock.advance(EVICT_S)
    registry.forgive(EVICT_S)
    registry.sweep()
    assert registry.view().resting
    assert registry.view().wanted


def test_a_launcher_without_any_is_forgotten(registry: Registry) -> None:
    registry.rest(Rest(launcher="one"))
    assert not registry.view().resting
