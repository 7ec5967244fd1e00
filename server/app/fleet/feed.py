"""The fleet's report as events: made once for all who look, and no backlog for slow ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

from server.app.fleet.report import fleet_report, lacks
from server.app.fleet.watch import FleetWatch
from server.core.clock import Clock
from server.core.limits import HEARTBEAT_S
from server.web.drain import Drain
from server.wire.browser import FleetReport

AT_MOST_EVERY_S: Final = 0.25


class FleetFeed:
    def __init__(
        self, watch: FleetWatch, expected: Iterable[str], drain: Drain, clock: Clock
    ) -> None:
        self._watch = watch
        self._expected = tuple(expected)
        self._drain = drain
        self._clock = clock
        self._report: FleetReport | None = None
        self._frame = b""
        self._made_for = -1
        self._made_at = 0.0

    def report(self) -> FleetReport:
        """Of now, or a moment ago."""
        now = self._clock.monotonic()
        is_fresh = self._made_for == self._watch.revision and now - self._made_at < HEARTBEAT_S
        if self._report is None or not is_fresh:
            self._made_for, self._made_at = self._watch.revision, now
            self._report = fleet_report(self._watch.known, self._expected, self._clock.wall())
            self._frame = (
                b"event: fleet\ndata: " + self._report.model_dump_json().encode() + b"\n\n"
            )
        return self._report

    async def frames(self) -> AsyncIterator[bytes]:
        """At once, after every change, and as a sign of life; ends when the server stops."""
        while not self._drain.begun.is_set():
            seen = self._watch.revision
            self.report()
            yield self._frame
            await self._watch.after(seen, HEARTBEAT_S)
            if not self._drain.begun.is_set():
                await asyncio.sleep(AT_MOST_EVERY_S)

    @asynccontextmanager
    async def ended_at_stop(self) -> AsyncIterator[None]:
        """In the block, those who look hear at once that this server stops."""
        waking = asyncio.create_task(self._wake_at_stop())
        try:
            yield
        finally:
            waking.cancel()

    async def _wake_at_stop(self) -> None:
        await self._drain.begun.wait()
        self._watch.wake()

    def missing(self) -> str | None:
        """For `/readyz`: what keeps a question from its answer; None for nothing."""
        return "; ".join(lacks(self._watch.known, self._expected)) or None
