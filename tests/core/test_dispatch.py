from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from server.core.dispatch import Candidate, lottery, shortest_queue

candidates = st.builds(
    Candidate,
    st.text(min_size=1),
    st.integers(0, 100),
    st.integers(0, 100),
    st.floats(0.1, 10),
    st.integers(1, 64),
)


def worker(
    address: str, mine: int = 0, others: int = 0, speed: float = 1.0, slots: int = 1
) -> Candidate:
    return Candidate(address, mine, others, speed, slots)


def draw(
    policy: Callable[[Sequence[Candidate]], Candidate | None], times: int, *found: Candidate
) -> Counter[str]:
    return Counter(chosen.address for _ in range(times) if (chosen := policy(found)))


def test_a_request_just_sent_counts_before_any_heartbeat() -> None:
    busy, idle = worker("a", mine=2, others=1), worker("b", others=2)
    assert shortest_queue([busy, idle]) == idle


def test_a_worker_twice_as_fast_may_have_a_longer_queue() -> None:
    fast, slow = worker("fast", mine=2, speed=2.0), worker("slow", mine=1)
    assert shortest_queue([fast, slow]) == fast


def test_more_slots_drain_a_queue_faster() -> None:
    wide, narrow = worker("wide", mine=3, slots=4), worker("narrow", mine=1)
    assert shortest_queue([wide, narrow]) == wide


def test_equals_share_the_requests() -> None:
    drawn = draw(shortest_queue, 400, worker("a"), worker("b"))
    assert min(drawn.values()) > 100


def test_the_lottery_follows_speed() -> None:
    drawn = draw(lottery, 800, worker("a", speed=3), worker("b"))
    assert 500 < drawn["a"] < 700


def test_nobody_there_is_nobody_chosen() -> None:
    assert shortest_queue([]) is None
    assert lottery([]) is None


@given(st.lists(candidates, min_size=1))
def test_nobody_waits_less_than_the_chosen_one(found: list[Candidate]) -> None:
    chosen = shortest_queue(found)
    assert chosen is not None
    wait = {id(c): (c.mine + c.others + 1) / (c.slots * c.speed) for c in found}
    assert wait[id(chosen)] == min(wait.values())
