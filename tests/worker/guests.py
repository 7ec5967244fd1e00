"""Requests at a worker's slots that come, stay and go when a test says so."""

from __future__ import annotations

import asyncio
from typing import Literal

from server.core.errors import Overloaded
from server.wire.lanes import Lane
from server.worker.slots import Slots

State = Literal["waits", "runs", "done", "refused", "left"]
_TICKS = 6
"""Rounds of the loop until everything has happened that can."""
_staying: set[asyncio.Task[None]] = set()
"""The loop itself holds its tasks weakly."""


async def settle() -> None:
    for _ in range(_TICKS):
        await asyncio.sleep(0)


class Guest:
    """One request. `state` is what its own code has seen."""

    def __init__(self, slots: Slots, lane: Lane, at: float = 0.0, customer: str = "") -> None:
        self.lane: Lane = lane
        self.at = at
        self.customer = customer
        self.state: State = "waits"
        self.refusal: Overloaded | None = None
        self._slots = slots
        self._end = asyncio.Event()
        self._task = asyncio.create_task(self._stay())
        _staying.add(self._task)
        self._task.add_done_callback(_staying.discard)

    async def _stay(self) -> None:
        try:
            async with self._slots.take("gw", self.lane, self.customer):
                self.state = "runs"
                await self._end.wait()
            self.state = "done"
        except Overloaded as error:
            self.state, self.refusal = "refused", error
        except asyncio.CancelledError:
            self.state = "left"

    def end(self) -> None:
        """Its work is done; it sees that later."""
        self._end.set()

    def cancel(self) -> None:
        """Its client leaves; it sees that later."""
        self._task.cancel()

    async def finish(self) -> None:
        self.end()
        await settle()

    async def leave(self) -> None:
        self.cancel()
        await settle()


async def come(slots: Slots, *lanes: Lane, at: float = 0.0, customer: str = "") -> list[Guest]:
    """One after another."""
    guests = []
    for lane in lanes:
        guests.append(Guest(slots, lane, at, customer))
        await settle()
    return guests


def states(guests: list[Guest]) -> str:
    """As a word: `w`aits, `r`uns, `d`one, re`f`used, `l`eft."""
    return "".join("f" if guest.state == "refused" else guest.state[0] for guest in guests)
