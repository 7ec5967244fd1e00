"""Queries of what each process may spend of a day's tokens."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from server.ledger.budget import Lease


def leases_of(db: sqlite3.Connection, key: str, day: int) -> list[Lease]:
    return [
        Lease(key, day, holder, granted, used, renewed)
        for holder, granted, used, renewed in db.execute(
            "SELECT holder, granted, used, renewed FROM leases WHERE key = ? AND day = ?",
            (key, day),
        )
    ]


def leases_on(db: sqlite3.Connection, day: int) -> list[Lease]:
    return [
        Lease(key, day, holder, granted, used, renewed)
        for key, holder, granted, used, renewed in db.execute(
            "SELECT key, holder, granted, used, renewed FROM leases WHERE day = ?", (day,)
        )
    ]


def put_leases(db: sqlite3.Connection, leases: Iterable[Lease]) -> None:
    db.executemany(
        "INSERT INTO leases (key, day, holder, granted, used, renewed) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (key, day, holder) DO UPDATE SET "
        "granted = excluded.granted, used = excluded.used, renewed = excluded.renewed",
        [(x.key, x.day, x.holder, x.granted, x.used, x.renewed) for x in leases],
    )


def forget_leases(db: sqlite3.Connection, before: int) -> None:
    """`before`: a day."""
    db.execute("DELETE FROM leases WHERE day < ?", (before,))
