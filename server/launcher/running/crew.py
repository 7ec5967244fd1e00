"""The keepers that there are, while one takes the place of another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from server.core.limits import WHOLE_REQUEST_S
from server.launcher.running.keeper import Keeper
from server.launcher.setup.plan import ChildPlan


class Crew:
    """`keepers`: those that count, one for each plan. `begun`: those that may have a process, and
    must not outlive us; of two with one name the first is meant."""

    def __init__(
        self,
        make: Callable[[ChildPlan], Keeper],
        run: Callable[[Coroutine[Any, Any, None]], Any],
        changed: Callable[[], None],
    ) -> None:
        """`run`: for as long as the launcher does; `changed`: one has come or gone."""
        self._changed = changed
        self._make = make
        self._run = run
        self.keepers: list[Keeper] = []
        self.begun: list[Keeper] = []
        self.passing: list[Keeper] = []
        """Those that come or go."""

    def recruit(self, old: Keeper, plan: ChildPlan) -> Keeper:
        """One that is to take the place of `old`; it starts at once."""
        new = self._make(plan)
        new.call_itself(f"{plan.name} (new)")
        new.retiring = True  # what the controller says of it is of no consequence yet
        self.passing.append(new)
        self.begun.append(new)
        self._run(new.keep())
        return new

    def promote(self, new: Keeper, old: Keeper) -> None:
        """From now on `new` is meant where `old` was."""
        old.retiring = True
        self.keepers[self.keepers.index(old)] = new
        self.passing.remove(new)
        self.passing.append(old)
        self.begun.remove(new)
        self.begun.insert(self.begun.index(old), new)
        old.call_itself(f"{old.plan.name} (old)")
        new.call_itself(new.plan.name)
        new.retiring = False

    async def dismiss(self, one: Keeper) -> None:
        """It ends once its requests have."""
        await asyncio.shield(one.stop(WHOLE_REQUEST_S))
        self.passing.remove(one)
        self.begun.remove(one)
        self._changed()
