"""The tree that the messages of a conversation form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import CTE, ColumnElement, RowMapping, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store.rows import to_message
from server.store.tables import messages
from server.wire.browser import Message


@dataclass(frozen=True, slots=True)
class Branches:
    """The messages with one parent, oldest first: all of them, and by their question."""

    siblings: tuple[str, ...]
    versions: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, rows: Iterable[RowMapping]) -> Branches:
        by_query: dict[str, list[str]] = {}
        ids = []
        for row in rows:
            ids.append(row["id"])
            by_query.setdefault(row["query"], []).append(row["id"])
        return cls(tuple(ids), tuple(map(tuple, by_query.values())))

    @classmethod
    def alone(cls, id: str) -> Branches:
        return cls((id,), ((id,),))


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


async def branches_at(
    connection: AsyncConnection, conversation_id: str, parent_id: str | None
) -> Branches:
    """All messages right below `parent_id`."""
    found = await connection.execute(
        select(messages.c.id, messages.c.query)
        .where(messages.c.conversation_id == conversation_id, messages.c.parent_id == parent_id)
        .order_by(messages.c.number)
    )
    return Branches.of(found.mappings())


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
    children: defaultdict[str | None, list[RowMapping]] = defaultdict(list)
    for row in tree:
        children[row["parent_id"]].append(row)
    here = {parent_id: Branches.of(below) for parent_id, below in children.items()}
    return [to_message(row, **asdict(here[row["parent_id"]])) for row in rows]
