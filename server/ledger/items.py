"""Queries of the items of conversations; what is in one is the gateway's affair."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from server.core.errors import BadRequest, TooLarge
from server.core.limits import MAX_CHAT_BYTES

MAX_ITEMS: Final = 4_096
"""Of one conversation: a model is asked no more messages at once. Who has them begins anew."""
MAX_BYTES: Final = MAX_CHAT_BYTES
"""Of them all."""


@dataclass(frozen=True, slots=True)
class Addition:
    """Items that go to the end of a conversation."""

    conversation: str
    owner: str
    created: float
    """Seconds since 1970."""
    items: list[tuple[str, bytes]]
    """The id of each, and the item itself."""


def append(db: sqlite3.Connection, added: Addition) -> bool:
    """Whether the conversation is still there. An item that it has already is not added again."""
    found = db.execute(
        "UPDATE responses SET created = max(created, ?) "
        "WHERE id = ? AND owner = ? AND kind = 'conversation'",
        (added.created, added.conversation, added.owner),
    )
    if not found.rowcount:
        return False
    db.executemany(
        "INSERT INTO items (conversation, id, item) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(added.conversation, id, item) for id, item in added.items],
    )
    return True


def check_room(db: sqlite3.Connection, conversation: str, added: Addition | None = None) -> None:
    """Raises `TooLarge` for a conversation that has, or gets by `added`, more than any may have;
    `BadRequest` for an item that it has already."""
    number, size = db.execute(
        "SELECT count(*), coalesce(sum(length(item)), 0) FROM items WHERE conversation = ?",
        (conversation,),
    ).fetchone()
    for id, item in added.items if added is not None else ():
        number, size = number + 1, size + len(item)
        if one_item(db, conversation, id) is not None:
            raise BadRequest(
                f"The conversation has an item with id {id[:80]!r} already.",
                param="items",
                code="duplicate_item",
            )
    if number > MAX_ITEMS or size > MAX_BYTES:
        raise TooLarge(
            f"A conversation has at most {MAX_ITEMS} items and {MAX_BYTES} bytes; "
            "begin a new one, or delete items of this one.",
            param="conversation",
        )


def all_items(db: sqlite3.Connection, conversation: str) -> list[bytes]:
    """The oldest first."""
    query = "SELECT item FROM items WHERE conversation = ? ORDER BY number"
    return [item for (item,) in db.execute(query, (conversation,))]


def some_items(
    db: sqlite3.Connection, conversation: str, after: str | None, limit: int, *, newest_first: bool
) -> list[bytes] | None:
    """Of those behind the item `after`; None: there is no such item."""
    number = 0
    if after is not None:
        found = db.execute(
            "SELECT number FROM items WHERE id = ? AND conversation = ?", (after, conversation)
        ).fetchone()
        if found is None:
            return None
        (number,) = found
    beyond, order = ("<", "DESC") if newest_first else (">", "ASC")
    where = f"AND number {beyond} ?" if after is not None else "AND ? = 0"
    rows = db.execute(
        f"SELECT item FROM items WHERE conversation = ? {where} ORDER BY number {order} LIMIT ?",
        (conversation, number, limit),
    )
    return [item for (item,) in rows]


def one_item(db: sqlite3.Connection, conversation: str, id: str) -> bytes | None:
    query = "SELECT item FROM items WHERE id = ? AND conversation = ?"
    found = db.execute(query, (id, conversation)).fetchone()
    return found[0] if found else None


def item_of(db: sqlite3.Connection, owner: str, id: str, since: float) -> bytes | None:
    """The item in whichever conversation of `owner` it was last added to."""
    found = db.execute(
        "SELECT item FROM items JOIN responses ON responses.id = items.conversation "
        "WHERE items.id = ? AND owner = ? AND created >= ? ORDER BY number DESC LIMIT 1",
        (id, owner, since),
    ).fetchone()
    return found[0] if found else None


def drop_item(db: sqlite3.Connection, conversation: str, id: str) -> bool:
    """Whether there was one."""
    query = "DELETE FROM items WHERE id = ? AND conversation = ?"
    return db.execute(query, (id, conversation)).rowcount > 0
