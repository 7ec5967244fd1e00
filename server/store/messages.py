"""Questions and answers, each in one row from the moment the question is acknowledged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError

from server.core.clock import Clock
from server.store.asking import Asked, NewMessage, asked_before, find_message, put_question
from server.store.conversations import find_conversation, no_message
from server.store.database import Database
from server.store.rows import MESSAGE, SELECT_MESSAGE, as_json, storable
from server.store.tables import messages
from server.store.tree import branch_above, joined, with_siblings
from server.wire.browser import (
    FinishReason,
    LeftOut,
    Message,
    MessagePage,
    MessageStatus,
    Problem,
    Usage,
)

__all__ = ["Asked", "Exchange", "Messages", "NewMessage", "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an answer ended."""

    status: MessageStatus
    response: str
    error: Problem | None = None
    usage: Usage | None = None
    finish_reason: FinishReason | None = None
    first_token_s: float | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """What memory needs of a message."""

    id: str
    query: str
    response: str
    status: MessageStatus


class Messages:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ask(self, owner: str, new: NewMessage) -> Asked:
        """Store the question as a running message; it is on the disk when this returns.

        The same key makes one message, however often and at once it comes.
        Raises `NotFound` for conversation and parent, `Conflict` (answer_running) when the
        parent is unfinished, `Unprocessable` for a key that came with another body.
        """
        try:
            async with self._database.writing() as connection:
                before = await asked_before(connection, owner, new)
                if before is not None:
                    return before
                return await put_question(connection, owner, new, self._clock.wall())
        except IntegrityError:  # PostgreSQL: a transaction with the same key ended before ours
            async with self._database.reading() as connection:
                before = await asked_before(connection, owner, new)
            if before is None:
                raise
            return before

    async def save(self, partials: Mapping[str, str]) -> None:
        """Keep the answers so far, by message id; those that have ended stay as they are."""
        if not partials:
            return
        values = [
            {"message_id": id, "partial": storable(text)} for id, text in sorted(partials.items())
        ]
        async with self._database.writing() as connection:
            await connection.execute(
                update(messages)
                .where(messages.c.id == bindparam("message_id"), messages.c.status == "running")
                .values(response=bindparam("partial")),
                values,
            )

    async def finish(self, id: str, outcome: Outcome, left_out: LeftOut | None = None) -> bool:
        """False: the message had ended before, or is gone; nothing was changed."""
        values: dict[str, Any] = {
            "status": outcome.status,
            "response": storable(outcome.response),
            "error": as_json(outcome.error),
            "usage": as_json(outcome.usage),
            "finish_reason": outcome.finish_reason,
            "left_out": as_json(left_out),
            "first_token_s": outcome.first_token_s,
            "duration_s": outcome.duration_s,
        }
        async with self._database.writing() as connection:
            done = await connection.execute(
                update(messages)
                .where(messages.c.id == id, messages.c.status == "running")
                .values(values)
            )
            return done.rowcount > 0

    async def get(self, owner: str, id: str) -> Message:
        """Raises `NotFound`."""
        async with self._database.reading() as connection:
            return await find_message(connection, owner, id)

    async def memory(self, owner: str, id: str, limit: int) -> list[Exchange]:
        """What came before message `id` on its branch, newest first. Raises `NotFound`."""
        branch = branch_above(owner, id, limit + 1)
        row = messages.c
        query = (
            select(row.id, row.query, row.response, row.status)
            .join(branch, row.id == branch.c.id)
            .order_by(branch.c.depth)
        )
        async with self._database.reading() as connection:
            found = (await connection.execute(query)).all()
        if not found:
            raise no_message()
        return [Exchange(*values) for values in found[1:]]

    async def page(
        self, owner: str, conversation_id: str, *, limit: int, before: str | None = None
    ) -> MessagePage:
        """The end of the branch the reader is at, or what comes before message `before`.

        Raises `NotFound`, for a `before` that is not in this conversation too.
        """
        async with self._database.reading() as connection:
            conversation = await find_conversation(connection, owner, conversation_id)
            end, skipped = (before, 1) if before else (conversation.leaf_id, 0)
            if end is None:
                return MessagePage(items=(), leaf_id=None, more=False)
            branch = branch_above(owner, end, limit + skipped)
            query = (
                select(*MESSAGE)
                .join(branch, messages.c.id == branch.c.id)
                .where(messages.c.conversation_id == conversation_id)
                .order_by(branch.c.depth.desc())
            )
            rows = (await connection.execute(query)).mappings().all()
            if not rows:
                raise no_message("before")
            items = await with_siblings(connection, conversation_id, rows[: len(rows) - skipped])
        return MessagePage(
            items=tuple(items),
            leaf_id=conversation.leaf_id,
            more=bool(items) and items[0].parent_id is not None,
        )

    async def all(self, owner: str, conversation_id: str) -> list[Message]:
        """The whole tree, oldest first. Raises `NotFound`."""
        query = SELECT_MESSAGE.where(
            messages.c.owner == owner, messages.c.conversation_id == conversation_id
        ).order_by(messages.c.number)
        async with self._database.reading() as connection:
            await find_conversation(connection, owner, conversation_id)
            rows = (await connection.execute(query)).mappings().all()
        return joined(rows, rows)

    async def interrupt_running(self, problem: Problem) -> int:
        """End what a process that died left running; for the only process, at its start."""
        async with self._database.writing() as connection:
            done = await connection.execute(
                update(messages)
                .where(messages.c.status == "running")
                .values(status="interrupted", error=as_json(problem))
            )
            return done.rowcount
