"""No interleaving, no crash and no fault of the disk spends more of a day than its limit."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Barrier

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from server.gateway.customers.pool import Pool
from server.ledger.leases import leases_of
from server.ledger.ledger import Batch, Ledger

DAY = 20_000
_numbers = count()
_folder = tempfile.TemporaryDirectory(prefix="shortline-budget-law-")


def quick_ledger(file: Path) -> Ledger:
    """Without waiting for the disk: no power is cut here."""
    ledger = Ledger.open(file)
    ledger._db.execute("PRAGMA synchronous = OFF")
    return ledger


@dataclass(eq=False)
class Process:
    pool: Pool
    running: list[int] = field(default_factory=list)
    """What was set aside for each request."""


which = st.integers(min_value=0, max_value=2)
faults = st.sampled_from([None, None, None, "before", "after"])
"""The ledger fails before its commit, or after it and nobody hears of it."""


class Spending(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ledger = _ledger
        self.key = f"key-{next(_numbers)}"
        self.now = 1000.0
        self.real = self.limit = 0
        self.alive: list[Process] = []
        self.crashed = False

    @initialize(limit=st.integers(min_value=1, max_value=5000))
    def begin(self, limit: int) -> None:
        self.limit = limit
        for _ in range(3):
            self._start()

    def _start(self) -> None:
        self.alive.append(Process(Pool(self.key, DAY, f"gw-{next(_numbers)}", self.limit)))

    @rule(index=which, tokens=st.integers(min_value=0, max_value=1500), fault=faults)
    def request(self, index: int, tokens: int, fault: str | None) -> None:
        """As `Customers.admit`."""
        process = self.alive[index]
        if tokens > process.pool.free:
            self._extend(process.pool, tokens, fault)
        if tokens <= process.pool.free:
            process.pool.reserve(tokens)
            process.running.append(tokens)

    def _extend(self, pool: Pool, tokens: int, fault: str | None) -> None:
        wish = pool.wish(tokens)
        part = self.ledger.lease(wish, self.now) if fault != "before" else None
        if fault or part is None:
            pool.break_off(self.now)
        else:
            pool.take(wish, part, tokens, self.now)

    @rule(index=which, share=st.floats(min_value=0, max_value=1))
    def finish(self, index: int, share: float) -> None:
        process = self.alive[index]
        if process.running:
            tokens = process.running.pop()
            used = int(tokens * share)
            self.real += used
            process.pool.settle(tokens, used)

    @rule(index=which, fault=faults)
    def tell(self, index: int, fault: str | None) -> None:
        """One round."""
        lease = self.alive[index].pool.lease(self.now)
        if lease is None or fault == "before":
            return
        self.ledger.tell(Batch(leases=[lease]))
        if fault is None:
            self.alive[index].pool.tell(lease)

    @rule(index=which)
    def crash(self, index: int) -> None:
        """Its requests may have used all that was set aside for them, and nobody will know."""
        self.real += sum(self.alive.pop(index).running)
        self.crashed = True
        self._start()

    @rule(index=which)
    def stop(self, index: int) -> None:
        self._stop(self.alive.pop(index))
        self._start()

    @rule(seconds=st.floats(min_value=-100, max_value=100))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def _stop(self, process: Process) -> None:
        for tokens in process.running:
            self.real += tokens
            process.pool.settle(tokens, tokens)
        lease = process.pool.lease(self.now, all_back=True)
        if lease is not None:
            self.ledger.tell(Batch(leases=[lease]))

    @invariant()
    def the_limit_holds(self) -> None:
        running = sum(sum(process.running) for process in self.alive)
        assert self.real + running <= self.limit

    @invariant()
    def what_runs_is_set_aside(self) -> None:
        for process in self.alive:
            assert process.pool.reserved == sum(process.running)
            assert process.pool.free >= 0

    @invariant()
    def the_file_knows_of_everything_that_may_be_spent(self) -> None:
        rows = {lease.holder: lease for lease in leases_of(self.ledger._db, self.key, DAY)}
        for process in self.alive:
            held = process.pool.granted
            assert held == 0 or rows[process.pool.holder].taken >= held

    def teardown(self) -> None:
        """Without crashes nothing is lost: all that was not used can be had again."""
        for process in self.alive:
            self._stop(process)
        left = self.limit - self.real
        if self.crashed or not left:
            return
        last = Pool(self.key, DAY, "the last", self.limit)
        assert self.ledger.lease(last.wish(left), self.now).granted == left
        assert (
            self.ledger.lease(Pool(self.key, DAY, "too late", self.limit).wish(1), self.now).granted
            is None
        )


_ledger = quick_ledger(Path(_folder.name) / "ledger.db")
TestSpending = Spending.TestCase
TestSpending.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def spend(file: Path, holder: str, limit: int, begin: Barrier) -> int:
    """What one process spends of a day until nothing is left, a little less than it asks for."""
    ledger, pool, spent = quick_ledger(file), Pool("key", DAY, holder, limit), 0
    begin.wait()
    for step in count():
        bound = 1 + step * 7919 % 150
        if bound > pool.free:
            wish = pool.wish(bound)
            pool.take(wish, ledger.lease(wish, 1000.0), bound, 0.0)
        if bound > pool.free:
            break
        pool.reserve(bound)
        pool.settle(bound, bound - step % 2)
        spent += bound - step % 2
    lease = pool.lease(1000.0, all_back=True)
    ledger.tell(Batch(leases=[lease] if lease else []))
    ledger.close()
    return spent


def test_threads_that_share_a_day_spend_all_of_it_and_no_more(tmp_path: Path) -> None:
    limit, file, begin = 20_000, tmp_path / "ledger.db", Barrier(4)
    quick_ledger(file).close()
    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(spend, file, f"gw-{number}", limit, begin) for number in range(4)]
    spent = sum(done.result() for done in work)
    assert limit - 4 * 150 <= spent <= limit
    ledger = quick_ledger(file)
    assert sum(lease.used for lease in ledger.leases(DAY)) == spent
    last = Pool("key", DAY, "the last", limit).wish(limit - spent)
    assert ledger.lease(last, 1.0).granted == limit - spent
    ledger.close()
