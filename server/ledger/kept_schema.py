"""The tables of what is kept for `/v1`: responses, chats, conversations and their items.

The first of them is called `responses` because it held nothing else once.
"""

from __future__ import annotations

import sqlite3
from typing import Final

_VERSION: Final = 1
"""Of these tables (`PRAGMA user_version`)."""
_FROM_0: Final = (
    # A file of a version that kept responses alone.
    "ALTER TABLE responses ADD COLUMN kind TEXT NOT NULL DEFAULT 'response'",
    "ALTER TABLE responses ADD COLUMN model TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE responses ADD COLUMN metadata TEXT NOT NULL DEFAULT ''",
    "DROP TRIGGER put",
    "DROP TRIGGER changed",
    "DROP TRIGGER gone",
)
_TABLES: Final = (
    """
    CREATE TABLE IF NOT EXISTS responses (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        owner TEXT NOT NULL,
        previous TEXT,
        created REAL NOT NULL,
        holder TEXT NOT NULL,
        beaten REAL NOT NULL,
        model TEXT NOT NULL,
        metadata TEXT NOT NULL,
        input BLOB NOT NULL,
        document BLOB NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS of_owner ON responses (owner, created)",
    "CREATE INDEX IF NOT EXISTS by_age ON responses (created)",
    # All that a list of chats asks for, so that none must be read that is not in it.
    """
    CREATE INDEX IF NOT EXISTS chats ON responses (owner, created, kind, model, metadata)
    WHERE kind = 'chat'
    """,
    # Of conversations, in the order of their numbers. One item may be in several.
    """
    CREATE TABLE IF NOT EXISTS items (
        number INTEGER PRIMARY KEY,
        conversation TEXT NOT NULL,
        id TEXT NOT NULL,
        item BLOB NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS in_order ON items (conversation, number)",
    "CREATE UNIQUE INDEX IF NOT EXISTS by_id ON items (id, conversation)",
    # How much each owner has: to count it anew for each response would take longer and longer.
    """
    CREATE TABLE IF NOT EXISTS owners (
        id TEXT PRIMARY KEY, responses INTEGER NOT NULL, bytes INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TRIGGER IF NOT EXISTS put AFTER INSERT ON responses BEGIN
        INSERT INTO owners VALUES (
            new.owner, 1, length(new.input) + length(new.document) + length(new.metadata)
        )
        ON CONFLICT (id) DO UPDATE SET
            responses = responses + 1, bytes = bytes + excluded.bytes;
    END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS changed AFTER UPDATE OF document, metadata ON responses BEGIN
        UPDATE owners SET bytes = bytes
            + length(new.document) - length(old.document)
            + length(new.metadata) - length(old.metadata)
        WHERE id = new.owner;
    END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS going BEFORE DELETE ON responses
    WHEN old.kind = 'conversation' BEGIN
        DELETE FROM items WHERE conversation = old.id;
    END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS gone AFTER DELETE ON responses BEGIN
        UPDATE owners SET responses = responses - 1,
            bytes = bytes - length(old.input) - length(old.document) - length(old.metadata)
        WHERE id = old.owner;
        DELETE FROM owners WHERE id = old.owner AND responses = 0;
    END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS item_put AFTER INSERT ON items BEGIN
        UPDATE owners SET bytes = bytes + length(new.item)
        WHERE id = (SELECT owner FROM responses WHERE id = new.conversation);
    END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS item_gone AFTER DELETE ON items BEGIN
        UPDATE owners SET bytes = bytes - length(old.item)
        WHERE id = (SELECT owner FROM responses WHERE id = old.conversation);
    END
    """,
)


def prepare(db: sqlite3.Connection) -> None:
    """In a transaction: what is not there is made, and what is older brought up to date."""
    known = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'responses'").fetchone()
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if known and version == 0:
        for statement in _FROM_0:
            db.execute(statement)
    for statement in _TABLES:
        db.execute(statement)
    if version < _VERSION:
        db.execute(f"PRAGMA user_version = {_VERSION}")
