"""Models that have no worker and get one when they are asked for. Plain state; time is an argument.

A launcher says which; a gateway says which of them somebody waits for; the fleet's view brings the
one to the gateways and the other to the launchers. Both are said again and again, and count for as
long as they are.
"""

from __future__ import annotations

from collections.abc import Iterable

from server.core.limits import EVICT_S, SUSPECT_S
from server.wire.fleet import Rest, Resting

MAX_LAUNCHERS = 1000
MAX_MODELS = 1000
"""Of one launcher."""


class Sleepers:
    def __init__(self) -> None:
        self._by_launcher: dict[str, tuple[float, tuple[Resting, ...]]] = {}
        self._wanted: dict[str, float] = {}

    def rest(self, rest: Rest, now: float) -> bool:
        """Whether it said something new."""
        before = self._by_launcher.get(rest.launcher)
        if before is None and len(self._by_launcher) >= MAX_LAUNCHERS:
            return False
        models = rest.models[:MAX_MODELS]
        if not models:
            self._by_launcher.pop(rest.launcher, None)
            return before is not None
        self._by_launcher[rest.launcher] = (now, models)
        return before is None or before[1] != models

    def want(self, model: str, now: float) -> bool | None:
        """Whether that is new; None: nobody could load it."""
        if not any(model == one.model for one in self.resting()):
            return None
        new = model not in self._wanted
        self._wanted[model] = now
        return new

    def satisfy(self, models: Iterable[str]) -> bool:
        """They have a worker now. Whether somebody waited for one of them."""
        there = [model for model in models if model in self._wanted]
        for model in there:
            del self._wanted[model]
        return bool(there)

    def sweep(self, now: float) -> bool:
        """Forget what is not said any more. Whether there was something."""
        silent = [id for id, (at, _) in self._by_launcher.items() if now - at >= EVICT_S]
        unasked = [model for model, at in self._wanted.items() if now - at >= SUSPECT_S]
        for id in silent:
            del self._by_launcher[id]
        for model in unasked:
            del self._wanted[model]
        return bool(silent or unasked)

    def forgive(self, seconds: float) -> None:
        """Nobody could be heard for so long."""
        self._by_launcher = {
            id: (at + seconds, models) for id, (at, models) in self._by_launcher.items()
        }
        self._wanted = {model: at + seconds for model, at in self._wanted.items()}

    def of(self, model: str) -> Resting | None:
        """Of several launchers that would load it, the one that does so already, or may."""
        found = [one for one in self.resting() if one.model == model]
        return min(found, key=lambda one: (one.state != "loading", bool(one.trouble)), default=None)

    def resting(self) -> tuple[Resting, ...]:
        return tuple(model for _, models in self._by_launcher.values() for model in models)

    def wanted(self) -> tuple[str, ...]:
        return tuple(self._wanted)
