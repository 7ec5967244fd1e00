"""The tree that the messages of a conversation form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import CTE, ColumnElement, RowMapping, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store.rows import to_message
from server.store.tables import messages
from server.wire.browser import Message


def branch_above(owner: str, end: str, length: int) -> CTE:
    """`end` and what is above it, at most `length` messages: columns id, parent_id and depth."""
    here = (
        select(messages.c.id, messages.c.parent_id, literal(0).label("depth"))
        .where(messages.c.owner == owner, messages.c.id == end)
        .cte("branch", recursive=True)
    )
    above = (
        select(messages.c.id, messages.c.parent_id, here.c.depth + 1)
        .join(here, messages.c.id == here.c.parent_id)
        .where(messages.c.owner == owner, here.c.depth < length - 1)
    )
    return here.union_all(above)


async def newest_below(connection: AsyncConnection, conversation_id: str, id: str) -> str:
    """The message that one reaches from `id` by going to the newest answer again and again."""
    pairs = await connection.execute(
        select(messages.c.id, messages.c.parent_id)
        .where(messages.c.conversation_id == conversation_id)
        .order_by(messages.c.number)
    )
    newest = {parent_id: child for child, parent_id in pairs}
    while id in newest:
        id = newest[id]
    return id


async def siblings_of(
    connection: AsyncConnection, conversation_id: str, parent_id: str | None
) -> tuple[str, ...]:
    """The ids of all messages right below `parent_id`, oldest first."""
    found = await connection.scalars(
        select(messages.c.id)
        .where(messages.c.conversation_id == conversation_id, messages.c.parent_id == parent_id)
        .order_by(messages.c.number)
    )
    return tuple(found)


async def with_siblings(
    connection: AsyncConnection, conversation_id: str, rows: Sequence[RowMapping]
) -> list[Message]:
    """The messages in `rows`, a page of one conversation, each with its siblings."""
    parents = {row["parent_id"] for row in rows}
    among: ColumnElement[bool] = messages.c.parent_id.in_(parents - {None})
    if None in parents:
        among = or_(among, messages.c.parent_id.is_(None))
    found = await connection.execute(
        select(messages.c.id, messages.c.parent_id, messages.c.query)
        .where(messages.c.conversation_id == conversation_id, among)
        .order_by(messages.c.number)
    )
    return joined(rows, found.mappings())


def joined(rows: Iterable[RowMapping], tree: Iterable[RowMapping]) -> list[Message]:
    """The messages in `rows`; `tree`: at least all their siblings, oldest first."""
    children: defaultdict[str | None, dict[str, list[str]]] = defaultdict(dict)
    order: defaultdict[str | None, list[str]] = defaultdict(list)
    for row in tree:
        children[row["parent_id"]].setdefault(row["query"], []).append(row["id"])
        order[row["parent_id"]].append(row["id"])
    return [
        to_message(row, order[row["parent_id"]], children[row["parent_id"]].values())
        for row in rows
    ]
