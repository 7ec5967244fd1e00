from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from server.core.errors import BadRequest, StorageFull, Unavailable
from server.ledger.budget import Lease, Wish
from server.ledger.ledger import Batch, Ledger
from server.ledger.paces import Pace
from server.ledger.usage import Usage

NOW = 1000.0


def wish(holder: str, least: int, most: int, used: int = 0) -> Wish:
    return Wish("key", 20_000, holder, 100, used, least, most)


def test_leases_of_all_processes_keep_the_limit(ledger: Ledger, file: Path) -> None:
    other = Ledger.open(file)
    assert ledger.lease(wish("a", 10, 60), NOW).granted == 60
    assert other.lease(wish("b", 10, 60), NOW).granted == 40
    refused = ledger.lease(wish("a", 61, 70), NOW)
    assert (refused.granted, refused.left) == (None, 100)
    assert sum(lease.granted for lease in other.leases(20_000)) == 100
    other.close()


def test_what_is_given_back_can_be_leased_again(ledger: Ledger) -> None:
    ledger.lease(wish("a", 10, 100), NOW)
    ledger.tell(Batch(leases=[Lease("key", 20_000, "a", 30, 30, NOW)]))
    assert ledger.lease(wish("b", 70, 70), NOW).granted == 70
    assert ledger.lease(wish("c", 1, 1), NOW).granted is None


def test_another_day_and_another_key_have_their_own_tokens(ledger: Ledger) -> None:
    ledger.lease(wish("a", 100, 100), NOW)
    assert ledger.lease(Wish("key", 20_001, "a", 100, 0, 100, 100), NOW).granted == 100
    assert ledger.lease(Wish("other", 20_000, "a", 100, 0, 100, 100), NOW).granted == 100


def test_telling_leases_twice_is_telling_them_once(ledger: Ledger) -> None:
    batch = Batch(leases=[Lease("key", 20_000, "a", 30, 20, NOW)])
    ledger.tell(batch)
    ledger.tell(batch)
    assert ledger.leases(20_000) == batch.leases


def test_usage_adds_up(ledger: Ledger) -> None:
    ledger.tell(Batch([Usage("k", "m", 7, 1, 0, 10, 20, 0), Usage("k", "n", 7, 1, 1, 0, 0, 5)]))
    ledger.tell(Batch([Usage("k", "m", 7, 2, 1, 1, 2, 3), Usage("k", "m", 8, 1, 0, 1, 1, 0)]))
    assert ledger.usage(7) == [
        Usage("k", "m", 8, 1, 0, 1, 1, 0),
        Usage("k", "m", 7, 3, 1, 11, 22, 3),
        Usage("k", "n", 7, 1, 1, 0, 0, 5),
    ]
    assert ledger.usage(9) == []


def test_a_batch_is_told_whole_or_not_at_all(ledger: Ledger) -> None:
    broken = Batch([Usage("k", "m", 7, 1, 0, 0, 0, 0)], [Lease("k", 7, "\ud800", 1, 1, NOW)])
    with pytest.raises(BadRequest):
        ledger.tell(broken)
    assert ledger.usage(0) == []


def test_paces_are_those_of_the_last_word(ledger: Ledger) -> None:
    ledger.tell(Batch(paces=[Pace("k", "a", 1, 2, 3, 10.0), Pace("k", "b", 1, 1, 1, 5.0)]))
    ledger.tell(Batch(paces=[Pace("k", "a", 4, 5, 6, 11.0)]))
    assert ledger.paces(5.0) == [Pace("k", "a", 4, 5, 6, 11.0)]


def test_what_is_too_old_is_forgotten_and_nothing_else(ledger: Ledger) -> None:
    for day in (5, 6):
        ledger.tell(
            Batch(
                [Usage("k", "m", day, 1, 0, 0, 0, 0)],
                [Lease("k", day, "a", 1, 1, NOW)],
                [Pace("k", str(day), 1, 1, 1, float(day))],
            )
        )
    ledger.forget(leases_before=6, usage_before=6, paces_before=6.0)
    assert [x.day for x in ledger.usage(0)] == [6]
    assert (len(ledger.leases(5)), len(ledger.leases(6))) == (0, 1)
    assert [x.holder for x in ledger.paces(0.0)] == ["6"]


def test_a_locked_file_is_said_to_be_busy_and_nothing_is_changed(
    ledger: Ledger, file: Path
) -> None:
    ledger._db.execute("PRAGMA busy_timeout = 10")
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="busy") as refused:
        ledger.lease(wish("a", 1, 1), NOW)
    assert refused.value.retry_after_s
    assert ledger.all_keys() == []  # reading goes on
    holder.execute("ROLLBACK")
    holder.close()
    assert ledger.lease(wish("a", 1, 1), NOW).granted == 1


def test_a_full_disk_is_said_to_be_full_and_serves_again_when_there_is_space(
    ledger: Ledger,
) -> None:
    pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
    ledger._db.execute(f"PRAGMA max_page_count = {pages}")
    many = Batch([Usage("k", f"m{n}" * 50, 7, 1, 0, 0, 0, 0) for n in range(500)])
    with pytest.raises(StorageFull):
        ledger.tell(many)
    assert ledger.usage(0) == []
    ledger._db.execute("PRAGMA max_page_count = 100000")
    ledger.tell(many)
    assert len(ledger.usage(0)) == 500
