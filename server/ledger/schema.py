"""The tables of the ledger."""

from __future__ import annotations

import sqlite3
from typing import Final

APPLICATION: Final = 0x53484C4E
"""Marks the file as ours (`PRAGMA application_id`)."""
VERSION: Final = 1
"""Of these tables (`PRAGMA user_version`)."""

_TABLES: Final = (
    """
    CREATE TABLE keys (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        digest BLOB NOT NULL UNIQUE,
        shown TEXT NOT NULL,
        models TEXT,
        requests_per_minute INTEGER,
        tokens_per_minute INTEGER,
        parallel INTEGER,
        tokens_per_day INTEGER,
        lane TEXT,
        admin INTEGER NOT NULL,
        created REAL NOT NULL,
        expires REAL,
        revoked REAL
    ) WITHOUT ROWID
    """,
    # A name is free again once its key is revoked.
    "CREATE UNIQUE INDEX names_in_use ON keys (name) WHERE revoked IS NULL",
    # What one process may spend of a key's tokens of one day, and what it has spent of that. Only
    # `holder` writes its rows, and only absolute numbers: writing twice is writing once.
    """
    CREATE TABLE leases (
        key TEXT NOT NULL,
        day INTEGER NOT NULL,
        holder TEXT NOT NULL,
        granted INTEGER NOT NULL,
        used INTEGER NOT NULL,
        renewed REAL NOT NULL,
        PRIMARY KEY (key, day, holder)
    ) WITHOUT ROWID
    """,
    # What one process has let through in the last minute, for the other processes to know.
    """
    CREATE TABLE paces (
        key TEXT NOT NULL,
        holder TEXT NOT NULL,
        requests INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        running INTEGER NOT NULL,
        told REAL NOT NULL,
        PRIMARY KEY (key, holder)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE usage (
        day INTEGER NOT NULL,
        key TEXT NOT NULL,
        model TEXT NOT NULL,
        requests INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        prompt_tokens INTEGER NOT NULL,
        completion_tokens INTEGER NOT NULL,
        assumed_tokens INTEGER NOT NULL,
        PRIMARY KEY (day, key, model)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE routes (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
    # How often a table was changed: who has read it asks only whether that is still the same.
    "CREATE TABLE changes (of TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO changes VALUES ('keys', 0), ('routes', 0)",
)


def create(db: sqlite3.Connection) -> None:
    """All of it or nothing, in one transaction."""
    db.execute("BEGIN EXCLUSIVE")
    for statement in _TABLES:
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION}")
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")
