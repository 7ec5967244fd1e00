"""Conversations of their owners. Whoever asks for somebody else's hears that there is none."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.core.clock import Clock
from server.core.errors import NotFound
from server.core.ids import new_uuid
from server.store.cursor import Cursor
from server.store.database import Database
from server.store.rows import SELECT_CONVERSATION, as_json, to_conversation
from server.store.search import excerpts, holding, needle
from server.store.tables import conversations, messages
from server.store.tree import newest_below
from server.wire.browser import (
    Conversation,
    ConversationChange,
    ConversationPage,
    NewConversation,
)


class Conversations:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, owner: str, new: NewConversation) -> Conversation:
        async with self._database.writing() as connection:
            return await insert_conversation(connection, owner, new, self._clock.wall())

    async def get(self, owner: str, id: str) -> Conversation:
        """Raises `NotFound`."""
        async with self._database.reading() as connection:
            return await find_conversation(connection, owner, id)

    async def page(
        self, owner: str, *, limit: int, cursor: str | None = None, search: str = ""
    ) -> ConversationPage:
        """Raises `BadRequest` for a bad cursor or an endless search, `NotFound` for a cursor
        that somebody else was given."""
        words = needle(search)
        row = conversations.c
        query = (
            SELECT_CONVERSATION.where(row.owner == owner)
            .order_by(row.pinned.desc(), row.update_time.desc(), row.id)
            .limit(limit + 1)
        )
        if words:
            query = query.where(holding(words))
        if cursor is not None:
            query = query.where(Cursor.from_text(owner, cursor).after())
        async with self._database.reading() as connection:
            found = (await connection.execute(query)).mappings().all()
            rows = found[:limit]
            ids = [row["id"] for row in rows]
            shown = await excerpts(connection, ids, words) if words else {}
        items = tuple(to_conversation(row, shown.get(row["id"])) for row in rows)
        more = len(found) > len(items) > 0
        return ConversationPage(
            items=items, next_cursor=Cursor.at(items[-1]).to_text(owner) if more else None
        )

    async def change(self, owner: str, id: str, change: ConversationChange) -> Conversation:
        """Raises `NotFound`, for a `leaf_id` that is not in this conversation too."""
        async with self._database.writing() as connection:
            await find_conversation(connection, owner, id, lock=True)
            values = await _values(connection, owner, id, change)
            if values:
                await connection.execute(
                    update(conversations)
                    .where(conversations.c.owner == owner, conversations.c.id == id)
                    .values(values)
                )
            return await find_conversation(connection, owner, id)

    async def delete(self, owner: str, id: str) -> None:
        """With its messages; on SQLite their text is overwritten. Raises `NotFound`."""
        async with self._database.writing() as connection:
            done = await connection.execute(
                delete(conversations).where(
                    conversations.c.owner == owner, conversations.c.id == id
                )
            )
            if not done.rowcount:
                raise no_conversation()
        await self._database.wipe()


async def insert_conversation(
    connection: AsyncConnection, owner: str, new: NewConversation, now: float
) -> Conversation:
    values = {
        "id": new_uuid(),
        "name": new.name,
        "named_by": "person" if new.name else "nobody",
        "pinned": False,
        "model": new.model,
        "settings": as_json(new.settings),
        "leaf_id": None,
        "create_time": now,
        "update_time": now,
    }
    await connection.execute(insert(conversations).values(values | {"owner": owner}))
    return Conversation(**values | {"settings": new.settings})


async def find_conversation(
    connection: AsyncConnection, owner: str, id: str, *, lock: bool = False
) -> Conversation:
    """Raises `NotFound`. `lock`: nobody else changes it before this transaction ends."""
    query = SELECT_CONVERSATION.where(conversations.c.owner == owner, conversations.c.id == id)
    if lock:
        query = query.with_for_update(of=conversations)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise no_conversation()
    return to_conversation(row)


def no_conversation() -> NotFound:
    return NotFound("There is no such conversation.", code="conversation_not_found")


def no_message(param: str | None = None) -> NotFound:
    return NotFound("There is no such message.", code="message_not_found", param=param)


async def _values(
    connection: AsyncConnection, owner: str, id: str, change: ConversationChange
) -> dict[str, Any]:
    """The columns that `change` sets."""
    values = change.model_dump(exclude_none=True, include={"name", "pinned", "model"})
    if change.name is not None:
        values["named_by"] = "person"
    if change.settings is not None:
        values["settings"] = as_json(change.settings)
    if change.leaf_id is not None:
        known = select(messages.c.id).where(
            messages.c.owner == owner,
            messages.c.conversation_id == id,
            messages.c.id == change.leaf_id,
        )
        if (await connection.execute(known)).first() is None:
            raise no_message("leaf_id")
        values["leaf_id"] = await newest_below(connection, id, change.leaf_id)
    return values
