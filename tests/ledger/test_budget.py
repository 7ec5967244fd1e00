from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.ledger.budget import ALIVE_S, Lease, Wish, portion, spent

NOW = 1000.0
counts = st.integers(min_value=0, max_value=1000)


def lease(holder: str, granted: int, used: int, age_s: float = 0.0) -> Lease:
    return Lease("key", 1, holder, granted, used, NOW - age_s)


def wish(limit: int, least: int, most: int, used: int = 0) -> Wish:
    return Wish("key", 1, "me", limit, used, least, most)


leases = st.lists(st.builds(lease, st.just("other"), counts, counts, st.sampled_from([0.0, 99.0])))


@given(counts, counts, counts, leases)
def test_all_together_are_never_granted_more_than_the_limit(
    limit: int, least: int, more: int, others: list[Lease]
) -> None:
    part = portion(wish(limit, least, least + more), others, NOW)
    taken = sum(other.taken for other in others)
    if part.granted is None:
        assert taken + least > limit
    else:
        assert least <= part.granted <= least + more
        assert taken + part.granted <= max(limit, taken)


def test_what_a_dead_process_held_is_gone_and_a_living_ones_may_come_back() -> None:
    asked = wish(100, 50, 60)
    living = portion(asked, [lease("a", 80, 10)], NOW)
    dead = portion(asked, [lease("a", 80, 10, age_s=ALIVE_S)], NOW)
    assert (living.granted, living.left) == (None, 90)
    assert (dead.granted, dead.left) == (None, 20)


def test_a_request_that_used_more_than_was_thought_counts_in_full() -> None:
    assert portion(wish(100, 10, 90), [lease("a", 10, 70)], NOW).granted == 30


def test_what_is_used_is_summed_by_key() -> None:
    assert spent([lease("a", 9, 2), lease("b", 9, 3)], NOW) == {"key": 5}


def test_what_died_with_a_process_is_shown_as_spent() -> None:
    assert spent([lease("a", 9, 2), lease("b", 9, 3, age_s=ALIVE_S)], NOW) == {"key": 11}
