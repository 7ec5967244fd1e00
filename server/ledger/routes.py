"""Queries of routes that were set at run time; what a body says is the gateway's affair."""

from __future__ import annotations

import sqlite3

from server.ledger.keys import note_change


def all_routes(db: sqlite3.Connection) -> dict[str, str]:
    """The body of each name."""
    return dict(db.execute("SELECT name, body FROM routes ORDER BY name"))


def put_route(db: sqlite3.Connection, name: str, body: str) -> None:
    db.execute(
        "INSERT INTO routes VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body",
        (name, body),
    )
    note_change(db, "routes")


def delete_route(db: sqlite3.Connection, name: str) -> bool:
    """Whether there was one."""
    found = db.execute("DELETE FROM routes WHERE name = ?", (name,)).rowcount > 0
    note_change(db, "routes")
    return found
