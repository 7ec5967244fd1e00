"""Queries of the chats that are kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which chats a list shall have, and where it begins."""

    model: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Each of these is among a chat's own."""
    after: str | None = None
    """The id of the chat behind which it begins."""
    limit: int = 20
    newest_first: bool = False


def chats_of(db: sqlite3.Connection, owner: str, since: float, wanted: Wanted) -> list[int] | None:
    """The rows of those that were made after `since`; None: there is no chat `after`."""
    where = "kind = 'chat' AND owner = ? AND created >= ?"
    values: list[object] = [owner, since]
    if wanted.after is not None:
        place = db.execute(
            f"SELECT created, rowid FROM responses WHERE {where} AND id = ?",
            (*values, wanted.after),
        ).fetchone()
        if place is None:
            return None
        where += f" AND (created, rowid) {'<' if wanted.newest_first else '>'} (?, ?)"
        values += place
    if wanted.model is not None:
        where += " AND model = ?"
        values.append(wanted.model)
    for pair in wanted.metadata.items():
        where += " AND EXISTS (SELECT 1 FROM json_each(metadata) WHERE key = ? AND value = ?)"
        values += pair
    order = "DESC" if wanted.newest_first else "ASC"
    rows = db.execute(
        f"SELECT rowid FROM responses INDEXED BY chats WHERE {where} "
        f"ORDER BY created {order}, rowid {order} LIMIT ?",
        (*values, wanted.limit),
    )
    return [row for (row,) in rows]
