from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from server.core.errors import ModelNotFound, Unauthorized, Unavailable
from server.gateway.customers.customers import SYNC_S, Customers
from server.gateway.customers.refusals import BudgetSpent, LimitReached
from server.ledger.budget import DAY_S, Portion, Wish
from server.ledger.key import Key
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from tests.fakes.clock import ManualClock
from tests.fakes.waiting import until


@asynccontextmanager
async def serving(file: Path, clock: ManualClock, **more: Any) -> AsyncIterator[Customers]:
    """Customers of one process, as a gateway has them."""
    customers = Customers(Ledger.open(file), clock=clock, **more)
    async with customers.running():
        yield customers


def key_of(customers: Customers, offered: str | None) -> Key | None:
    """Who a request with this header is. Raises `Unauthorized`."""
    headers = [(b"host", b"h")]
    if offered is not None:
        headers.append((b"authorization", offered.encode("latin-1")))
    scope: dict[str, Any] = {"headers": headers, "state": {}}
    customers.check(scope)
    key: Key | None = scope["state"]["key"]
    return key


def is_refused(customers: Customers, offered: str | None) -> bool:
    try:
        key_of(customers, offered)
    except Unauthorized as error:
        assert (error.status, error.code) == (401, "invalid_api_key")
        return True
    return False


def wall_day(clock: ManualClock) -> int:
    return int(clock.wall() // DAY_S)


async def test_the_port_is_open_until_there_is_a_key_and_never_again(
    file: Path, ledger: Ledger, clock: ManualClock
) -> None:
    async with serving(file, clock) as customers:
        assert customers.open
        assert key_of(customers, None) is None
        assert key_of(customers, "Bearer whatever") is None
        key, text = ledger.create_key(NewKey(name="a"), clock.wall())
        await customers.sync()
        assert is_refused(customers, None)
        assert key_of(customers, f"Bearer {text}") == key
        ledger.revoke_key("a", clock.wall())
        await customers.sync()
        assert not customers.open
        assert is_refused(customers, None)
    async with serving(file, clock) as customers:
        assert is_refused(customers, None)


async def test_a_required_key_closes_the_port_before_there_is_one(
    file: Path, clock: ManualClock
) -> None:
    async with serving(file, clock, required=True) as customers:
        assert is_refused(customers, None)
        assert is_refused(customers, "Bearer x")


async def test_configured_keys_have_neither_limits_nor_rights(
    file: Path, clock: ManualClock
) -> None:
    async with serving(file, clock, configured=[SecretStr("sk-mine-1")]) as customers:
        key = key_of(customers, "Bearer sk-mine-1")
        assert key is not None and not key.admin
        assert is_refused(customers, None)
        assert customers.try_admit(key, "anything", "normal", 10**15) is not None


async def test_the_key_of_our_own_processes_closes_the_port_to_nobody(
    file: Path, clock: ManualClock, ledger: Ledger
) -> None:
    async with serving(file, clock, ours=SecretStr("o" * 40)) as customers:
        assert key_of(customers, None) is None
        ledger.create_key(NewKey(name="a"), clock.wall())
        await customers.sync()
        assert is_refused(customers, None)
        own = key_of(customers, "Bearer " + "o" * 40)
        assert own is not None and own.name == "ours"


async def test_only_the_whole_key_opens(file: Path, ledger: Ledger, clock: ManualClock) -> None:
    key, text = ledger.create_key(NewKey(name="a"), clock.wall())
    async with serving(file, clock) as customers:
        for offered in (f"Bearer {text}", f"bearer {text}", f"BEARER   {text} "):
            assert key_of(customers, offered) == key
        wrong = ["", "Bearer", "Bearer ", text, f"Basic {text}", f"Bearer {text[:-1]}"]
        wrong += [
            f"Bearer {text}x",
            f"Bearer {text.swapcase()}",
            f"Bearer {key.shown}",
            "Bearer \0",
        ]
        wrong += ["Bearer ' OR 1=1 --", "Bearer " + "x" * 30_000, f"Bearer {key.id}", "Bearer \xff"]
        for offered in wrong:
            assert is_refused(customers, offered), offered
        assert is_refused(customers, None)


async def test_an_expired_key_opens_nothing(file: Path, ledger: Ledger, clock: ManualClock) -> None:
    ends = int(clock.wall()) + 10
    _, text = ledger.create_key(NewKey(name="a", expires=ends), clock.wall())
    async with serving(file, clock) as customers:
        assert key_of(customers, f"Bearer {text}") is not None
        clock.advance(10)
        with pytest.raises(Unauthorized, match="has expired"):
            key_of(customers, f"Bearer {text}")


async def test_a_running_gateway_hears_of_a_revoked_key_by_itself(
    file: Path, ledger: Ledger, clock: ManualClock
) -> None:
    key, text = ledger.create_key(NewKey(name="a"), clock.wall())
    ended: list[str] = []
    async with serving(file, clock) as customers:
        with await customers.admit(key, "m", "normal", 5) as told:
            told.when_revoked(lambda: ended.append("running"))
            with await customers.admit(key, "m", "normal", 5) as over:
                over.when_revoked(lambda: ended.append("over"))
            ledger.revoke_key(key.id, clock.wall())
            await until(lambda: is_refused(customers, f"Bearer {text}"), limit_s=4 * SYNC_S)
            assert ended == ["running"]
            with pytest.raises(Unauthorized, match="was revoked"):
                customers.try_admit(key, "m", "normal", 5)  # its body came in meanwhile
        await customers.sync()
        assert ended == ["running"]


async def test_what_a_key_may_ask_for(file: Path, ledger: Ledger, clock: ManualClock) -> None:
    key, _ = ledger.create_key(NewKey(name="a", models=("m",)), clock.wall())
    async with serving(file, clock) as customers:
        assert customers.allows(key, "m") and not customers.allows(key, "n")
        assert customers.allows(None, "n")
        with pytest.raises(ModelNotFound):
            customers.try_admit(key, "n", "normal", 1)


async def test_usage_is_told_by_key_model_and_day(
    file: Path, ledger: Ledger, clock: ManualClock
) -> None:
    key, _ = ledger.create_key(NewKey(name="a"), clock.wall())
    async with serving(file, clock) as customers:
        for model in ("m", "m", "n"):
            with await customers.admit(key, model, "normal", 5) as grant:
                grant.settle(2, 3)
        with await customers.admit(None, "m", "normal", 5) as grant:
            grant.settle(1, 1, failed=True)
        assert ledger.usage(0) == []
    told = {(x.key, x.model): (x.requests, x.failed, x.prompt_tokens) for x in ledger.usage(0)}
    assert told == {(key.id, "m"): (2, 0, 4), (key.id, "n"): (1, 0, 2), ("nobody", "m"): (1, 1, 1)}
    assert {x.day for x in ledger.usage(0)} == {wall_day(clock)}


async def test_a_day_is_spent_to_its_end_and_begins_anew(
    file: Path, ledger: Ledger, clock: ManualClock
) -> None:
    key, _ = ledger.create_key(NewKey(name="a", tokens_per_day=1000), clock.wall())
    async with serving(file, clock) as customers:
        assert customers.try_admit(key, "m", "normal", 10) is None
        for _ in range(10):
            with await customers.admit(key, "m", "normal", 100) as grant:
                grant.settle(50, 50)
        with pytest.raises(BudgetSpent) as refused:
            await customers.admit(key, "m", "normal", 1)
        midnight_s = DAY_S - clock.wall() % DAY_S
        assert (refused.value.code, refused.value.status) == ("insufficient_quota", 429)
        assert refused.value.retry_after_s == midnight_s
        clock.advance(midnight_s - 1)
        with pytest.raises(BudgetSpent):
            await customers.admit(key, "m", "normal", 1)
        clock.advance(1)
        with await customers.admit(key, "m", "normal", 1000) as grant:
            grant.settle(1000, 0)


async def test_a_request_that_runs_over_midnight_is_one_of_its_first_day(
    file: Path, ledger: Ledger, clock: ManualClock
) -> None:
    key, _ = ledger.create_key(NewKey(name="a", tokens_per_day=1000), clock.wall())
    first = wall_day(clock)
    async with serving(file, clock) as customers:
        with await customers.admit(key, "m", "normal", 900) as long:
            clock.advance(DAY_S)
            with await customers.admit(key, "m", "normal", 900) as grant:
                grant.settle(1, 2)
            await customers.sync()
            long.settle(10, 20)
    assert [lease.used for lease in ledger.leases(first)] == [30]
    assert [lease.used for lease in ledger.leases(first + 1)] == [3]
    assert {(x.day, x.completion_tokens) for x in ledger.usage(0)} == {(first, 20), (first + 1, 2)}


async def test_what_is_set_aside_may_come_back_and_what_is_spent_does_not(
    file: Path, ledger: Ledger, clock: ManualClock
) -> None:
    key, _ = ledger.create_key(NewKey(name="a", tokens_per_day=1000), clock.wall())
    async with serving(file, clock) as customers:
        with await customers.admit(key, "m", "normal", 900) as grant:
            with pytest.raises(LimitReached) as refused:
                await customers.admit(key, "m", "normal", 200)
            assert (refused.value.code, refused.value.retry_after_s) == ("rate_limit_exceeded", 1)
            grant.settle(700, 0)
        with await customers.admit(key, "m", "normal", 300):
            pass
        with pytest.raises(BudgetSpent):
            await customers.admit(key, "m", "normal", 200)


async def test_two_gateways_share_a_day(file: Path, ledger: Ledger, clock: ManualClock) -> None:
    key, _ = ledger.create_key(NewKey(name="a", tokens_per_day=12_800), clock.wall())
    async with serving(file, clock) as one, serving(file, clock) as two:
        used = 0
        for customers in (one, two) * 200:
            try:
                with await customers.admit(key, "m", "normal", 50) as grant:
                    grant.settle(40, 3)
                    used += 43
            except LimitReached:
                break
        assert 12_800 - 2 * 300 <= used <= 12_800
        # What one of them has left over comes back within a few rounds, and the other has it.
        for _ in range(4):
            await one.sync()
        clock.advance(1)
        left = 12_800 - used
        for _ in range(left // 50):
            with await two.admit(key, "m", "normal", 50) as grant:
                grant.settle(50, 0)
        await two.sync()
        with pytest.raises(BudgetSpent):
            await one.admit(key, "m", "normal", 50)


async def test_many_that_wait_for_the_ledger_are_answered_together(
    file: Path, ledger: Ledger, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, _ = ledger.create_key(NewKey(name="a", tokens_per_day=10**6), clock.wall())
    asked: list[object] = []
    lease = Ledger.lease

    def counted(self: Ledger, wish: Wish, now: float) -> Portion:
        asked.append(wish)
        return lease(self, wish, now)

    monkeypatch.setattr(Ledger, "lease", counted)
    async with serving(file, clock) as customers:
        grants = await asyncio.gather(
            *(customers.admit(key, "m", "normal", 10_000) for _ in range(50))
        )
        assert len(grants) == 50
        assert len(asked) <= 2


async def test_who_leaves_while_waiting_takes_nothing_along(
    file: Path, ledger: Ledger, clock: ManualClock
) -> None:
    key, _ = ledger.create_key(NewKey(name="a", tokens_per_day=1000, parallel=1), clock.wall())
    async with serving(file, clock) as customers:
        for _ in range(20):
            waiting = asyncio.create_task(customers.admit(key, "m", "normal", 1000))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            if not waiting.cancelled():  # it did not wait: an earlier one's tokens were there
                with waiting.result() as grant:
                    grant.settle(0, 0)
        with await customers.admit(key, "m", "normal", 1000) as grant:
            grant.settle(1, 1)
    assert [(lease.granted, lease.used) for lease in ledger.leases(wall_day(clock))] == [(2, 2)]


async def test_rounds_and_requests_at_the_same_time_lose_nothing(
    file: Path, ledger: Ledger, clock: ManualClock
) -> None:
    limit = 40_000
    key, _ = ledger.create_key(NewKey(name="a", tokens_per_day=limit), clock.wall())
    used = 0

    async def spend(customers: Customers, number: int) -> None:
        nonlocal used
        while True:
            try:
                with await customers.admit(key, "m", "normal", 90 + number) as grant:
                    await asyncio.sleep(0)
                    used += 60
                    grant.settle(60, 0)
            except BudgetSpent:
                return
            except LimitReached:  # the fake clock stands still: nothing is asked again before
                clock.advance(1)
                await asyncio.sleep(0.001)

    async def tell(customers: Customers) -> None:
        while True:
            await customers.sync()

    async with serving(file, clock) as one, serving(file, clock) as two:
        telling = [asyncio.create_task(tell(customers)) for customers in (one, two)]
        async with asyncio.timeout(30):
            await asyncio.gather(*(spend(x, n) for x in (one, two) for n in range(4)))
        for task in telling:
            task.cancel()
        await asyncio.wait(telling)
    assert limit - 2 * 100 <= used <= limit
    assert sum(lease.used for lease in ledger.leases(wall_day(clock))) == used
    assert sum(lease.granted for lease in ledger.leases(wall_day(clock))) == used
    assert sum(usage.prompt_tokens for usage in ledger.usage(0)) == used


async def test_a_locked_ledger_stops_nobody_but_who_needs_more_of_a_budget(
    file: Path, ledger: Ledger, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    free, text = ledger.create_key(NewKey(name="free"), clock.wall())
    held, _ = ledger.create_key(NewKey(name="held", tokens_per_day=128_000), clock.wall())
    own = Ledger.open(file)
    own._db.execute("PRAGMA busy_timeout = 1")
    customers = Customers(own, clock=clock)
    async with customers.running():
        with await customers.admit(held, "m", "normal", 100) as grant:
            grant.settle(10, 0)
        locker = sqlite3.connect(file, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                await customers.sync()
        assert [record.message[:27] for record in caplog.records] == ["the ledger cannot be used: "]
        assert key_of(customers, f"Bearer {text}") == free
        for key in (free, held):  # the second spends what it has
            with await customers.admit(key, "m", "normal", 90) as grant:
                grant.settle(5, 0)
        with pytest.raises(Unavailable) as refused:
            await customers.admit(held, "m", "normal", 5000)
        assert refused.value.retry_after_s
        locker.execute("ROLLBACK")
        locker.close()
        await customers.sync()
        clock.advance(1)
        with await customers.admit(held, "m", "normal", 5000) as grant:
            grant.settle(5000, 0)
    told = {usage.key: (usage.requests, usage.prompt_tokens) for usage in ledger.usage(0)}
    assert told == {free.id: (1, 5), held.id: (3, 5015)}


async def test_a_full_disk_costs_no_usage_once_there_is_space_again(
    file: Path, ledger: Ledger, clock: ManualClock
) -> None:
    own = Ledger.open(file)
    pages = own._db.execute("PRAGMA page_count").fetchone()[0]
    customers = Customers(own, clock=clock)
    async with customers.running():
        await customers.sync()
        own._db.execute(f"PRAGMA max_page_count = {pages}")
        for number in range(300):
            with await customers.admit(None, f"m{number}" * 40, "normal", 5) as grant:
                grant.settle(1, 1)
            if number % 100 == 0:
                await customers.sync()
        await customers.sync()
        own._db.execute("PRAGMA max_page_count = 100000")
    assert sum(usage.requests for usage in ledger.usage(0)) == 300


async def test_a_ledger_that_vanished_leaves_the_keys_as_they_were(
    file: Path, ledger: Ledger, clock: ManualClock
) -> None:
    key, text = ledger.create_key(NewKey(name="a", tokens_per_day=5000), clock.wall())
    async with serving(file, clock) as customers:
        await asyncio.to_thread(file.rename, file.with_name("gone.db"))
        await customers.sync()
        assert key_of(customers, f"Bearer {text}") == key
        assert is_refused(customers, None)
        with pytest.raises(Unavailable):
            await customers.admit(key, "m", "normal", 10)


async def test_without_a_ledger_the_configured_keys_still_count(clock: ManualClock) -> None:
    customers = Customers(None, [SecretStr("sk-mine-1")], clock=clock)
    async with customers.running():
        key = key_of(customers, "Bearer sk-mine-1")
        with await customers.admit(key, "m", "normal", 5) as grant:
            grant.settle(1, 1)
        await customers.sync()
        assert is_refused(customers, "Bearer sk-mine-2")


async def test_limits_of_a_minute_hold_over_several_processes(
    file: Path, ledger: Ledger, clock: ManualClock
) -> None:
    key, _ = ledger.create_key(NewKey(name="a", requests_per_minute=60, parallel=50), clock.wall())

    async def passed(customers: Customers, wanted: int) -> int:
        for number in range(wanted):
            try:
                with await customers.admit(key, "m", "normal", 1) as grant:
                    grant.settle(1, 0)
            except LimitReached:
                return number
        return wanted

    async with (
        serving(file, clock, processes=3) as one,
        serving(file, clock, processes=3) as two,
        serving(file, clock, processes=3) as three,
    ):
        counts = [await passed(x, 100) for x in (one, two, three)]
        assert counts == [20, 20, 20]
        clock.advance(61)
        for customers in (one, two, three):  # everybody hears that the minute is over
            await customers.sync()
        alone = 0
        for _ in range(20):
            alone += await passed(one, 100)
            await one.sync()
        assert 55 <= alone <= 60
        await two.sync()
        assert await passed(two, 100) <= 60 - alone


async def test_parallel_requests_hold_over_several_processes(
    file: Path, ledger: Ledger, clock: ManualClock
) -> None:
    key, _ = ledger.create_key(NewKey(name="a", parallel=4), clock.wall())
    async with serving(file, clock, processes=2) as one, serving(file, clock, processes=2) as two:
        running = []
        for _ in range(4):
            await one.sync()
            running.append(await one.admit(key, "m", "normal", 1))
        await one.sync()
        await two.sync()
        with pytest.raises(LimitReached):
            await two.admit(key, "m", "normal", 1)
        for grant in running:
            grant.close()
        await one.sync()
        await two.sync()
        (await two.admit(key, "m", "normal", 1)).close()


async def test_routes_are_heard_of_at_the_start_and_when_they_change(
    file: Path, ledger: Ledger, clock: ManualClock
) -> None:
    heard: list[dict[str, str]] = []
    ledger.put_route("a", "1")
    async with serving(file, clock, routed=heard.append) as customers:
        await customers.sync()
        assert heard == [{"a": "1"}]
        ledger.delete_route("a")
        ledger.create_key(NewKey(name="a"), clock.wall())
        await customers.sync()
        assert heard == [{"a": "1"}, {}]


async def test_old_usage_and_leases_are_forgotten(
    file: Path, ledger: Ledger, clock: ManualClock
) -> None:
    key, _ = ledger.create_key(NewKey(name="a", tokens_per_day=500), clock.wall())
    async with serving(file, clock) as customers:
        for days in (1, 1, 399):
            with await customers.admit(key, "m", "normal", 5) as grant:
                grant.settle(1, 1)
            for _ in range(3):  # until the pool has given all back
                await customers.sync()
            clock.advance(days * DAY_S)
        await customers.sync()
    assert [wall_day(clock) - usage.day for usage in ledger.usage(0)] == [399, 400]
    for back in (399, 400, 401):
        assert ledger.leases(wall_day(clock) - back) == []
