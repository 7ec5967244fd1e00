from __future__ import annotations

from server.controller.dismissed import MAX_DISMISSED, Dismissed
from server.controller.registry import Registry
from tests.controller.registrations import registration
from tests.fakes.clock import ManualClock


def test_who_was_dismissed_is_named_until_it_registers_again() -> None:
    registry = Registry(ManualClock())
    registry.register(registration(name="guest@here"))
    before = registry.members.revision
    registry.dismiss("guest@here")
    registry.dismiss("guest@here")
    assert registry.members.revision == before + 1
    assert registry.view().dismissed == ("guest@here",)
    registry.register(registration(generation="g2", name="guest@here"))
    assert registry.view().dismissed == ()


def test_of_too_many_the_oldest_are_forgotten() -> None:
    dismissed = Dismissed()
    for number in range(MAX_DISMISSED + 2):
        dismissed.add(str(number))
    assert len(dismissed.names()) == MAX_DISMISSED
    assert dismissed.names()[0] == "2"
