"""Finding words in titles, questions and answers, and showing where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.core.errors import BadRequest
from server.store.rows import storable
from server.store.tables import conversations, messages

MAX_SEARCH_CHARS: Final = 200
_BEFORE_CHARS: Final = 40
_EXCERPT_CHARS: Final = 120


def needle(search: str) -> str:
    """What to look for. Raises `BadRequest` when it is too long."""
    if len(search) > MAX_SEARCH_CHARS:
        raise BadRequest(f"A search is at most {MAX_SEARCH_CHARS} characters.", param="search")
    return storable(search.strip())


def holding(words: str) -> ColumnElement[bool]:
    """Conversations with `words` in them, literally, capitals or not."""
    in_a_text = (
        select(messages.c.number)
        .where(
            messages.c.conversation_id == conversations.c.id,
            _in_message(words),
        )
        .exists()
    )
    return or_(conversations.c.name.icontains(words, autoescape=True), in_a_text)


async def excerpts(connection: AsyncConnection, ids: Iterable[str], words: str) -> dict[str, str]:
    """By conversation, the surroundings of the first hit in a text; only those that have one."""
    first = (
        select(func.min(messages.c.number))
        .where(
            messages.c.conversation_id.in_(list(ids)),
            _in_message(words),
        )
        .group_by(messages.c.conversation_id)
    )
    found = await connection.execute(
        select(messages.c.conversation_id, messages.c.query, messages.c.response).where(
            messages.c.number.in_(first)
        )
    )
    return {
        id: excerpt(query, words) or excerpt(response, words) or excerpt(query, "") or ""
        for id, query, response in found
    }


def excerpt(text: str, words: str) -> str | None:
    """About 120 characters around the first `words`, on one line; None when they are not there."""
    hit = re.search(re.escape(words), text, re.IGNORECASE)
    if hit is None:
        return None
    start = max(0, hit.start() - _BEFORE_CHARS)
    end = max(hit.end(), start + _EXCERPT_CHARS)
    shown = " ".join(text[start:end].split())
    return ("…" if start > 0 else "") + shown + ("…" if end < len(text) else "")


def _in_message(words: str) -> ColumnElement[bool]:
    return or_(
        messages.c.query.icontains(words, autoescape=True),
        messages.c.response.icontains(words, autoescape=True),
    )
