"""What happens to the tables when a question comes in, inside one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.core.errors import Conflict, Unprocessable
from server.core.ids import new_uuid
from server.store.conversations import (
    find_conversation,
    insert_conversation,
    no_message,
)
from server.store.rows import SELECT_MESSAGE, as_json, storable
from server.store.tables import conversations, messages
from server.store.tree import Branches, branches_at, with_siblings
from server.wire.browser import (
    ChatRequest,
    Conversation,
    GenerationSettings,
    Message,
    NewConversation,
    SeedTurn,
)

# Made once: writing a statement costs as much as running it.
PUT = insert(messages)
FOLLOW = (
    update(conversations)
    .where(conversations.c.id == bindparam("found"))
    .values(
        {
            name: bindparam(name)
            for name in ("leaf_id", "update_time", "model", "name", "named_by", "settings")
        }
    )
)


@dataclass(frozen=True, slots=True)
class NewMessage:
    request: ChatRequest
    model: str
    """Resolved."""
    settings: GenerationSettings
    """Resolved, for this answer."""
    key: str | None = None
    """The request's Idempotency-Key."""
    fingerprint: str = ""
    """Of the request's body; compared when the key was seen before."""
    title: str = ""
    """What the conversation is called from now on, if nobody has named it yet."""


@dataclass(frozen=True, slots=True)
class Asked:
    conversation: Conversation
    message: Message
    is_new: bool
    """False: the key was seen before, and `message` is the one it made."""


async def asked_before(connection: AsyncConnection, owner: str, new: NewMessage) -> Asked | None:
    """What the same request made when it came first. Raises `Unprocessable` for another body."""
    if new.key is None:
        return None
    query = select(messages.c.id, messages.c.conversation_id, messages.c.fingerprint).where(
        messages.c.owner == owner, messages.c.key == new.key
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    if row.fingerprint != new.fingerprint:
        raise Unprocessable(
            "This Idempotency-Key was used before, with another body. Use a new key.",
            param="Idempotency-Key",
        )
    conversation = await find_conversation(connection, owner, row.conversation_id)
    return Asked(conversation, await find_message(connection, owner, row.id), is_new=False)


async def put_question(
    connection: AsyncConnection, owner: str, new: NewMessage, now: float
) -> Asked:
    """Raises `NotFound` for conversation and parent, `Conflict` when the parent is unfinished."""
    conversation = await _conversation(connection, owner, new, now)
    parent_id = await _parent(connection, conversation, new)
    row = _row(owner, conversation.id, parent_id, now) | {
        "id": new_uuid(),
        "chat_type": new.request.chat_type,
        "query": new.request.query,
        "status": "running",
        "model": new.model,
        "settings": as_json(new.settings),
        "key": new.key,
        "fingerprint": new.fingerprint,
    }
    await connection.execute(PUT, row)
    branches = Branches.alone(row["id"])
    if new.request.conversation_id:
        branches = await branches_at(connection, conversation.id, parent_id)
    # Made from what was written, as reading it again costs a third of the whole question.
    known = {name: row[name] for name in row.keys() & Message.model_fields.keys()}
    return Asked(
        await _follow(connection, conversation, new, row["id"], now),
        Message(**known | asdict(branches) | {"settings": new.settings}),
        is_new=True,
    )


async def find_message(connection: AsyncConnection, owner: str, id: str) -> Message:
    """Raises `NotFound`."""
    query = SELECT_MESSAGE.where(messages.c.owner == owner, messages.c.id == id)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise no_message()
    return (await with_siblings(connection, row["conversation_id"], [row]))[0]


def exchanges(turns: Iterable[SeedTurn]) -> Iterator[tuple[str, str]]:
    """Questions with their answers; the half that is missing is empty."""
    query: str | None = None
    for turn in turns:
        if turn.role == "assistant":
            yield query or "", turn.content
            query = None
            continue
        if query is not None:
            yield query, ""
        query = turn.content
    if query is not None:
        yield query, ""


async def _conversation(
    connection: AsyncConnection, owner: str, new: NewMessage, now: float
) -> Conversation:
    """The one that is asked in. A new one has the turns in it that it begins with."""
    request = new.request
    if request.conversation_id:
        return await find_conversation(connection, owner, request.conversation_id, lock=True)
    made = NewConversation(name=request.conversation_name, model=new.model)
    conversation = await insert_conversation(connection, owner, made, now)
    if isinstance(request.history, int):
        return conversation
    rows: list[dict[str, Any]] = []
    leaf_id = None
    for query, response in exchanges(request.history):
        row = _row(owner, conversation.id, leaf_id, now)
        rows.append(row | {"id": new_uuid(), "query": query, "response": response})
        leaf_id = rows[-1]["id"]
    if rows:
        await connection.execute(PUT, rows)
    return conversation.model_copy(update={"leaf_id": leaf_id})


async def _parent(
    connection: AsyncConnection, conversation: Conversation, new: NewMessage
) -> str | None:
    wanted = new.request.parent_id
    id = conversation.leaf_id if wanted is None else wanted
    if not id:
        return None
    query = select(messages.c.status).where(
        messages.c.conversation_id == conversation.id, messages.c.id == id
    )
    status = (await connection.execute(query)).scalar_one_or_none()
    if status is None:
        raise no_message("parent_id")
    if status == "running":
        raise Conflict(
            "The message before this one is still being answered.",
            code="answer_running",
            param="parent_id",
        )
    return id


async def _follow(
    connection: AsyncConnection, conversation: Conversation, new: NewMessage, id: str, now: float
) -> Conversation:
    """The conversation goes on from the new message, with the settings that came with it."""
    names = GenerationSettings.model_fields
    chosen = GenerationSettings(**{name: getattr(new.request, name) for name in names})
    kept = (as_json(conversation.settings) or {}) | (as_json(chosen) or {})
    unnamed = conversation.named_by == "nobody" and new.title
    values = {
        "leaf_id": id,
        "update_time": now,
        "model": new.model,
        "name": storable(new.title) if unnamed else conversation.name,
        "named_by": "first exchange" if unnamed else conversation.named_by,
    }
    found = {"found": conversation.id, "settings": kept}
    await connection.execute(FOLLOW, values | found)
    settings = GenerationSettings.model_validate(kept)
    return conversation.model_copy(update=values | {"settings": settings, "running": True})


def _row(owner: str, conversation_id: str, parent_id: str | None, now: float) -> dict[str, Any]:
    """What every row starts from: a turn that was answered elsewhere."""
    return {
        "owner": owner,
        "conversation_id": conversation_id,
        "parent_id": parent_id,
        "chat_type": "chat",
        "response": "",
        "status": "complete",
        "model": "",
        "settings": {},
        "create_time": now,
        "fingerprint": "",
    }
