from __future__ import annotations

from typing import Any

from server.launcher.room.tenants import Decision, Tenant, make_room


def tenant(name: str, used_at: float, **more: Any) -> Tenant:
    return Tenant(name, 10, used_at, **more)


def test_nobody_leaves_where_it_fits() -> None:
    assert make_room(0, [tenant("a", 1.0)]) == Decision()


def test_the_least_recently_used_leave_first_and_no_more_than_needed() -> None:
    tenants = [tenant("new", 3.0), tenant("old", 1.0), tenant("middle", 2.0)]
    assert make_room(10, tenants).leave == ("old",)
    assert make_room(11, tenants).leave == ("old", "middle")


def test_who_is_busy_or_pinned_stays() -> None:
    tenants = [tenant("busy", 1.0, idle=False), tenant("idle", 2.0), tenant("p", 0.0, pinned=True)]
    assert make_room(10, tenants).leave == ("idle",)


def test_it_waits_for_those_that_are_busy() -> None:
    tenants = [tenant("busy", 1.0, idle=False), tenant("idle", 2.0)]
    assert make_room(20, tenants) == Decision(wait=True)


def test_it_is_hopeless_when_all_would_not_do() -> None:
    tenants = [tenant("a", 1.0), tenant("p", 1.0, pinned=True)]
    assert make_room(11, tenants) == Decision(hopeless=True)
