"""Queries of how fast each process lets a key's requests through."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    key: str
    holder: str
    requests: int
    """In the last minute; `tokens` too."""
    tokens: int
    running: int
    told: float
    """Seconds since 1970."""


def put_paces(db: sqlite3.Connection, paces: Iterable[Pace]) -> None:
    db.executemany(
        "INSERT INTO paces VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (key, holder) DO UPDATE SET requests = excluded.requests, "
        "tokens = excluded.tokens, running = excluded.running, told = excluded.told",
        [(x.key, x.holder, x.requests, x.tokens, x.running, x.told) for x in paces],
    )


def paces_since(db: sqlite3.Connection, told: float) -> list[Pace]:
    rows = db.execute(
        "SELECT key, holder, requests, tokens, running, told FROM paces WHERE told > ?", (told,)
    )
    return [Pace(*row) for row in rows]


def forget_paces(db: sqlite3.Connection, before: float) -> None:
    db.execute("DELETE FROM paces WHERE told < ?", (before,))
