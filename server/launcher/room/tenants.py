"""Who leaves the memory when another model needs it. A plain function of plain values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tenant:
    """A model that is loaded where another one wants to be."""

    name: str
    need: int
    """Bytes that it gives back."""
    used_at: float
    """When it was last asked, on any clock."""
    idle: bool = True
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    leave: tuple[str, ...] = ()
    """These, in this order; nobody, where it fits or where nothing helps now."""
    wait: bool = False
    """It will fit when those that are busy have nothing to do."""
    hopeless: bool = False
    """It would not fit if all left that may."""


def make_room(short: int, tenants: Iterable[Tenant]) -> Decision:
    """`short`: bytes that are missing. The least recently used leaves first."""
    if short <= 0:
        return Decision()
    loose = [tenant for tenant in tenants if not tenant.pinned]
    if short > sum(tenant.need for tenant in loose):
        return Decision(hopeless=True)
    leave: list[str] = []
    for tenant in sorted((one for one in loose if one.idle), key=lambda one: one.used_at):
        leave.append(tenant.name)
        short -= tenant.need
        if short <= 0:
            return Decision(tuple(leave))
    return Decision(wait=True)
