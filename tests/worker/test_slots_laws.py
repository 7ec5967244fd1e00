"""Whatever comes and goes: counts are exact, no slot lies idle, nobody starves, and customers are
served in turn."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.limits import BATCH_BEHIND_S, NORMAL_BEHIND_S
from server.wire.fleet import Load
from server.wire.lanes import LANES, Lane
from server.worker.line import for_batch
from server.worker.slots import Slots
from tests.fakes.clock import ManualClock
from tests.worker.guests import Guest, State, come, settle

BEHIND_S = {"interactive": 0.0, "normal": NORMAL_BEHIND_S, "batch": BATCH_BEHIND_S}

Move = tuple[str, object]
CUSTOMERS = ("one", "two", "three")
COMER = st.tuples(st.sampled_from(LANES), st.sampled_from(CUSTOMERS))
COME = st.tuples(st.just("come"), st.lists(COMER, min_size=1, max_size=4))
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
        self.passed: dict[tuple[Lane, str], Counter[str]] = {}
        """While a customer waits in a lane and nothing of his runs: who got a slot there."""

    def who(self, state: State) -> list[Guest]:
        return [guest for guest in self.guests if guest.state == state]

    async def move(self, kind: str, what: object) -> None:
        waited, ran = self.who("waits"), self.running_of()
        if kind == "come":
            assert isinstance(what, list)
            for lane, customer in what:
                await self.come(lane, customer)
        elif kind == "time":
            assert isinstance(what, float)
            self.clock.advance(what)
        else:
            assert isinstance(what, int)
            self._end(kind, what)
        await settle()
        self.check_counts()
        self.check_order(waited)
        started = [guest for guest in waited if guest.state == "runs"]
        if kind == "finishes" and started:
            self.check_shares(started[0])
        self.check_passed(waited, started, ran)

    async def come(self, lane: Lane, customer: str) -> None:
        """Nobody else has to go for him, unless for what is more urgent, or has fewer here."""
        waited = self.who("waits")
        (guest,) = await come(self.slots, lane, at=self.clock.at, customer=customer)
        self.guests.append(guest)
        for other in waited:
            if other.state == "refused":
                assert guest.state == "waits"
                urgent = other.lane == "batch" != lane
                assert urgent or self.here(customer) <= self.here(other.customer)

    def here(self, customer: str) -> int:
        """Running or in line."""
        return sum(g.customer == customer for g in self.who("runs") + self.who("waits"))

    def running_of(self) -> Counter[str]:
        return Counter(guest.customer for guest in self.who("runs"))

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
        """Slots went to the lanes whose oldest was due first, of those that may have one; and to
        the oldest of a customer."""
        started = [guest for guest in waited if guest.state == "runs"]
        batch_may = self.batch_running() < for_batch(self.slots.slots)
        for guest in started:
            oldest = min(due(one) for one in waited if one.lane == guest.lane)
            for other in self.who("waits"):
                if other.lane == guest.lane:
                    same = other.customer == guest.customer
                    assert not same or self.guests.index(guest) < self.guests.index(other)
                elif other.lane != "batch" or batch_may:
                    assert oldest <= due(other)

    def check_shares(self, started: Guest) -> None:
        """Of those that waited in its lane, nobody had less running when its slot was free."""
        now = self.running_of()
        for other in self.who("waits"):
            if other.lane == started.lane and other.customer != started.customer:
                assert now[other.customer] >= now[started.customer] - 1

    def check_passed(self, waited: list[Guest], started: list[Guest], ran: Counter[str]) -> None:
        """Who waits and has nothing running is passed once at most by each other customer."""
        now = self.running_of()
        before = {(guest.lane, guest.customer) for guest in waited}
        after = {(guest.lane, guest.customer) for guest in self.who("waits")}
        starved = {
            (lane, name) for lane, name in before & after if not (ran[name] or now[name])
        } - {(lane, guest.customer) for lane in LANES for guest in started}
        self.passed = {key: self.passed.get(key, Counter()) for key in starved}
        for lane, name in starved:
            self.passed[lane, name].update(g.customer for g in started if g.lane == lane)
            assert all(times <= 1 for times in self.passed[lane, name].values())

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
