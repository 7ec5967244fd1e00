"""The processes as a table that is redrawn in place while they load."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from server.core.clock import Clock
from server.wire.launcher import ChildState, ChildStatus

_COLOURS: dict[ChildStatus, str] = {
    "waiting": "dim",
    "starting": "yellow",
    "loading": "yellow",
    "ready": "green",
    "backoff": "red",
    "quarantined": "red",
    "stopping": "yellow",
    "stopped": "dim",
    "asleep": "dim",
}


class LiveTable:
    """Gives way to what is said, and to nothing once loading is over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._children: Sequence[ChildState] = ()
        self._console = Console(soft_wrap=True, highlight=False, markup=False)
        self._live = Live(
            console=self._console, get_renderable=self._draw, refresh_per_second=4, transient=True
        )
        self._live.start()

    def changed(self, children: Sequence[ChildState]) -> None:
        self._children = children

    def say(self, text: str) -> None:
        with suppress(OSError):
            self._console.print(text)

    def settle(self) -> None:
        with suppress(OSError):
            self._live.stop()

    def _draw(self) -> Table:
        return children_table(self._children, self._clock.wall())


def children_table(children: Sequence[ChildState], now: float) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("process", "state", "s", ""):
        table.add_column(title, justify="right" if title == "s" else "left")
    for child in children:
        age = f"{max(0.0, now - child.since):.0f}" if child.since else ""
        waits_for = f"waits for {child.missing}" if child.missing else ""
        shown = waits_for or (child.address if child.status == "ready" else child.detail)
        table.add_row(
            Text(child.name), Text(child.status, _COLOURS[child.status]), age, Text(shown or "")
        )
    return table
