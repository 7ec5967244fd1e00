"""Whatever comes and goes: counts are exact, no slot lies idle, nobody starves."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.limits import BATCH_BEHIND_S, NORMAL_BEHIND_S
from server.wire.fleet import Load
from server.wire.lanes import LANES
from server.worker.line import for_batch
from server.worker.slots import Slots
from tests.fakes.clock import ManualClock
from tests.worker.guests import Guest, State, come, settle

BEHIND_S = {"interactive": 0.0, "normal": NORMAL_BEHIND_S, "batch": BATCH_BEHIND_S}

Move = tuple[str, object]
COME = st.tuples(st.just("come"), st.lists(st.sampled_from(LANES), min_size=1, max_size=4))
FINISHES = st.tuples(st.just("finishes"), st.integers(0, 9))
LEAVES = st.tuples(st.just("leaves"), st.integers(0, 99))
BOTH = st.tuples(st.just("finishes and leaves"), st.integers(0, 99))
TIME = st.tuples(st.just("time"), st.floats(1, 30))
MOVES = st.lists(
    st.one_of(COME, FINISHES, FINISHES, LEAVES, BOTH, TIME, TIME), min_size=15, max_size=40
)


class House:
    """Guests at some slots, and what must always be true of them."""

    def __init__(self, slots: int, queue: int) -> None:
        self.clock = ManualClock()
        self.slots = Slots(slots, queue, self.clock)
        self.guests: list[Guest] = []

    def who(self, state: State) -> list[Guest]:
        return [guest for guest in self.guests if guest.state == state]

    async def move(self, kind: str, what: object) -> None:
        waited = self.who("waits")
        if kind == "come":
            assert isinstance(what, list)
            self.guests += await come(self.slots, *what, at=self.clock.at)
        elif kind == "time":
            assert isinstance(what, float)
            self.clock.advance(what)
        else:
            assert isinstance(what, int)
            self._end(kind, what)
        await settle()
        self.check_counts()
        self.check_order(waited)

    def _end(self, kind: str, what: int) -> None:
        if kind != "leaves" and (running := self.who("runs")):
            running[what % len(running)].end()
        present = self.who("waits") + self.who("runs")
        if kind != "finishes" and present:
            present[what % len(present)].cancel()

    def check_counts(self) -> None:
        running, waiting = self.who("runs"), self.who("waits")
        lanes = Counter(guest.lane for guest in waiting)
        inside = len(running) + len(waiting)
        assert self.slots.load() == Load(
            running=len(running),
            waiting=len(waiting),
            by_gateway={"gw": inside} if inside else {},
            by_lane=lanes,
            cancelled=len(self.who("left")),
        )
        assert len(running) <= self.slots.slots
        assert len(waiting) <= self.slots.queue
        assert lanes["batch"] <= for_batch(self.slots.queue)
        assert self.batch_running() <= for_batch(self.slots.slots)
        if len(running) < self.slots.slots:  # then nobody waits who may have what is free
            assert lanes["interactive"] + lanes["normal"] == 0
            assert not lanes["batch"] or self.batch_running() == for_batch(self.slots.slots)

    def check_order(self, waited: list[Guest]) -> None:
        """Who got a slot out of the line was due before all that still wait and may have one."""
        started = [guest for guest in waited if guest.state == "runs"]
        if not started:
            return
        batch_may = self.batch_running() < for_batch(self.slots.slots)
        for other in self.who("waits"):
            if other.lane != "batch" or batch_may:
                assert max(map(due, started)) <= due(other)

    def batch_running(self) -> int:
        return sum(guest.lane == "batch" for guest in self.who("runs"))


def due(guest: Guest) -> float:
    return guest.at + BEHIND_S[guest.lane]


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(0, 9), MOVES)
def test_counts_are_exact_and_nobody_starves(slots: int, queue: int, moves: list[Move]) -> None:
    asyncio.run(_lives(slots, queue, moves))


async def _lives(slots: int, queue: int, moves: list[Move]) -> None:
    house = House(slots, queue)
    for kind, what in moves:
        await house.move(kind, what)
    waiting = house.who("waits")
    for _ in house.guests:
        await house.move("finishes", 0)
    assert all(guest.state == "done" for guest in waiting)
    assert house.slots.load() == Load(cancelled=len(house.who("left")))
