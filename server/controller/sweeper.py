"""The controller's pulse: lets the registry notice who has fallen silent."""

from __future__ import annotations

import asyncio

from server.controller.registry import Registry
from server.core.clock import Clock

SWEEP_S = 0.25
ASLEEP_S = 1.0
"""A sweep that comes this much late means that this process itself did not run."""


class Sweeper:
    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._swept_at = clock.monotonic()

    def sweep(self) -> None:
        """One pulse. Beats that came while this process was stopped still lie in its sockets, so
        the time it was asleep is nobody's silence."""
        now = self._clock.monotonic()
        late_s = now - self._swept_at - SWEEP_S
        self._swept_at = now
        if late_s >= ASLEEP_S:
            self._registry.forgive(late_s)
        self._registry.sweep()

    def missing(self) -> str | None:
        """What keeps this controller from being ready, in words."""
        stopped = self._clock.monotonic() - self._swept_at > 5 * ASLEEP_S
        return "nobody watches for silent workers" if stopped else None

    async def run(self) -> None:
        while True:
            self.sweep()
            await asyncio.sleep(SWEEP_S)
