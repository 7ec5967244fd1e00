from __future__ import annotations

from server.gateway.customers.pool import RENEW_S, SHORT_S, Pool
from server.ledger.budget import Lease, Portion

NOW = 50.0
LIMIT = 128_000
CHUNK = 1000


def pool(granted: int = 0) -> Pool:
    made = Pool("key", 7, "a", LIMIT)
    if granted:
        made.take(made.wish(granted), Portion(granted, 0), granted, NOW)
    return made


def told(of: Pool, wall: float = 0.0) -> Lease | None:
    """One round of telling."""
    lease = of.lease(wall)
    if lease is not None:
        of.tell(lease)
    return lease


def test_it_asks_for_what_is_needed_and_a_little_more() -> None:
    asked = pool().wish(500)
    assert (asked.least, asked.most) == (500, 500 + CHUNK)


def test_it_asks_for_all_who_wait_at_once() -> None:
    waited = pool()
    waited.waiting = 7000
    asked = waited.wish(500)
    assert (asked.least, asked.most) == (500, 7000 + CHUNK)


def test_it_asks_for_what_is_used_and_set_aside_as_well() -> None:
    used = pool(3000)
    used.reserve(2000)
    used.reserve(1000)
    used.settle(1000, 600)
    asked = used.wish(900)
    assert (asked.used, asked.least) == (600, 600 + 2000 + 900)


def test_what_is_not_used_is_free_again() -> None:
    used = pool(3000)
    used.reserve(2000)
    assert used.free == 1000
    used.settle(2000, 1)
    assert used.free == 2999


def test_a_refusal_is_remembered_for_a_moment() -> None:
    short = pool(100)
    short.take(short.wish(500), Portion(None, 50), 500, NOW)
    assert short.granted == 100
    assert short.lacking(500, NOW) is not None
    assert short.lacking(499, NOW) is None
    assert short.lacking(500, NOW + SHORT_S) is None


def test_tokens_that_came_end_the_shortage() -> None:
    short = pool()
    short.take(short.wish(500), Portion(None, 50), 500, NOW)
    short.take(short.wish(500), Portion(500, 0), 500, NOW)
    assert short.lacking(500, NOW) is None


def test_a_pool_that_is_used_tells_what_it_used_and_keeps_a_little() -> None:
    used = pool(50_000)
    used.reserve(300)
    used.settle(300, 300)
    assert told(used) == Lease("key", 7, "a", 300 + 2 * CHUNK, 300, 0.0)
    assert told(used) is None


def test_a_pool_that_rests_gives_all_back() -> None:
    used = pool(50_000)
    used.reserve(300)
    used.settle(300, 300)
    told(used)
    told(used)
    assert told(used) == Lease("key", 7, "a", 300, 300, 0.0)
    assert (used.free, used.busy) == (0, False)


def test_what_running_requests_may_use_is_kept_and_renewed() -> None:
    used = pool(50_000)
    used.reserve(40_000)
    for _ in range(5):
        told(used, 1000.0)
    assert used.granted >= 40_000
    assert told(used, 1000.0 + RENEW_S - 1) is None
    assert told(used, 1000.0 + RENEW_S) is not None


def test_at_the_end_all_that_is_free_goes_back_at_once() -> None:
    used = pool(50_000)
    used.reserve(300)
    lease = used.lease(0.0, all_back=True)
    assert lease is not None and lease.granted == 300


def test_giving_back_never_takes_more() -> None:
    used = pool(100)
    used.reserve(100)
    used.settle(100, 5000)  # more than it was thought to be able to
    lease = used.lease(0.0, all_back=True)
    assert lease == Lease("key", 7, "a", 100, 5000, 0.0)
    assert used.wish(10).least == 5010


def test_while_the_ledger_is_asked_nobody_else_writes_the_row() -> None:
    asked = pool(50_000)
    asked.leasing = True
    assert asked.lease(0.0, all_back=True) is None
    assert asked.busy
