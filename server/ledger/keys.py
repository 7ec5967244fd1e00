"""Queries of keys."""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from server.ledger.key import Key, Limits

_COLUMNS: Final = (
    "id, name, shown, models, requests_per_minute, tokens_per_minute, parallel, tokens_per_day, "
    "lane, admin, created, expires, revoked"
)


def all_keys(db: sqlite3.Connection) -> list[Key]:
    """Revoked ones too, the oldest first."""
    return [_key(row) for row in db.execute(f"SELECT {_COLUMNS} FROM keys ORDER BY created, id")]


def digests(db: sqlite3.Connection) -> dict[bytes, str]:
    """The id behind each digest."""
    return dict(db.execute("SELECT digest, id FROM keys"))


def key_with(db: sqlite3.Connection, id: str) -> Key | None:
    row = db.execute(f"SELECT {_COLUMNS} FROM keys WHERE id = ?", (id,)).fetchone()
    return _key(row) if row else None


def key_named(db: sqlite3.Connection, name: str) -> Key | None:
    """The one that is not revoked."""
    found = db.execute(
        f"SELECT {_COLUMNS} FROM keys WHERE name = ? AND revoked IS NULL", (name,)
    ).fetchone()
    return _key(found) if found else None


def insert_key(db: sqlite3.Connection, key: Key, digest: bytes) -> None:
    limits = key.limits
    models = None if limits.models is None else json.dumps(sorted(limits.models))
    db.execute(
        f"INSERT INTO keys ({_COLUMNS}, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key.id,
            key.name,
            key.shown,
            models,
            limits.requests_per_minute,
            limits.tokens_per_minute,
            limits.parallel,
            limits.tokens_per_day,
            key.lane,
            key.admin,
            key.created,
            key.expires,
            key.revoked,
            digest,
        ),
    )
    note_change(db, "keys")


def revoke_key(db: sqlite3.Connection, id: str, now: float) -> None:
    """The first time counts."""
    db.execute("UPDATE keys SET revoked = ? WHERE id = ? AND revoked IS NULL", (now, id))
    note_change(db, "keys")


def note_change(db: sqlite3.Connection, of: str) -> None:
    db.execute("UPDATE changes SET number = number + 1 WHERE of = ?", (of,))


def changes(db: sqlite3.Connection) -> dict[str, int]:
    """Different numbers say that a table is no longer what it was."""
    return dict(db.execute("SELECT of, number FROM changes"))


def _key(row: tuple) -> Key:  # type: ignore[type-arg]
    id, name, shown, models, requests, tokens, parallel, day, lane, admin, made, ends, gone = row
    allowed = None if models is None else frozenset(json.loads(models))
    limits = Limits(allowed, requests, tokens, parallel, day)
    return Key(id, name, limits, lane, bool(admin), shown, made, ends, gone)
