"""What all keepers share, and what they are told before a start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from server.core.clock import Clock
from server.launcher.setup.plan import ChildPlan
from server.wire.launcher import ChildState
from server.wire.process import Wish

if TYPE_CHECKING:
    from server.launcher.running.keeper import Keeper


HELD = "by an operator"
_NOWHERE: Mapping[str, Any] = {"pid": None, "created": None, "address": None, "routing": ""}
NO_PROCESS: Mapping[str, Any] = MappingProxyType({**_NOWHERE, "missing": "", "done": None})


@dataclass(frozen=True, slots=True)
class Verdict:
    """On a child that is about to start."""

    why: str = ""
    """It does not; empty: it does."""
    later: bool = False
    """It does when it is asked for."""


GO = Verdict()


async def _let(keeper: Keeper) -> Verdict:
    return GO


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all keepers share."""

    environ: Mapping[str, str]
    cwd: Path
    clock: Clock
    changed: Callable[[], None]
    """Some child's state is another one now."""
    note: Callable[[str], None]
    """Tell people."""
    lost: Callable[[ChildState], None]
    """A child that had been ready has ended."""
    asked: Callable[[ChildPlan, Wish], None]
    """A child has passed on an operator's wish."""
    admit: Callable[[Keeper], Awaitable[Verdict]] = _let
    """Whether there is room for a child."""
    released: Callable[[Keeper], None] = lambda keeper: None
    """Its process has ended."""
