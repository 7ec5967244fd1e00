"""A wish that can be followed: what is asked of a model, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

from server.core.clock import Clock
from server.core.ids import new_uuid
from server.gateway.dialects.kept.archive import Archive
from server.gateway.dialects.names import Names
from server.gateway.dialects.responses.chat import chat_of
from server.gateway.dialects.responses.compacting import Compacting, chat_for_summary
from server.gateway.dialects.responses.document import begun
from server.gateway.dialects.responses.history import (
    items_before,
    items_in,
    refuse_known,
    resolved,
)
from server.gateway.dialects.responses.items import REFERENCE, read_input
from server.gateway.dialects.responses.making import Making
from server.gateway.dialects.responses.names import names_of
from server.gateway.dialects.responses.wish import Wish, read_wish
from server.gateway.dialects.values import Json
from server.ledger.items import Addition
from server.ledger.responses import Kept

_DONE: Final = ("completed", "incomplete")
Recall = Callable[[str | None], list[Json] | None]
"""By the id of a response, all that was said up to its end, if that is kept nowhere but in the
memory of a connection."""


@dataclass(frozen=True, slots=True)
class Order:
    wish: Wish
    owner: str
    """The id of the key; empty: nobody's."""
    created: float
    """Seconds since 1970."""
    items: list[Json]
    """Its own input, without that of earlier responses."""
    before: list[Json]
    """All that was said before, in earlier responses."""
    recalled: bool
    """Whether that is kept nowhere."""
    fields: Json
    """Of the chat."""
    names: Names
    making: Making

    @property
    def id(self) -> str:
        id: str = self.making.document["id"]
        return id

    @property
    def said(self) -> list[Json]:
        """All that goes before the next response."""
        return [*self.before, *self.items, *self.making.document["output"]]

    def kept(self, holder: str = "") -> Kept:
        """As it is now, to be stored. `holder`: who still makes it.

        What it follows and is kept nowhere is kept with it.
        """
        return Kept(
            self.id,
            self.owner,
            None if self.recalled else self.wish.previous_response_id,
            self.created,
            holder,
            self.created,
            orjson.dumps([*self.before, *self.items] if self.recalled else self.items),
            orjson.dumps(self.making.document),
        )

    def addition(self) -> Addition | None:
        """What its conversation gets of it, once it is done; of what has failed, nothing."""
        document, conversation = self.making.document, self.wish.conversation_id
        if conversation is None or document["status"] not in _DONE:
            return None
        return added_to(conversation, self.owner, [*self.items, *document["output"]], self.created)

    def changes(self) -> list[Kept | Addition]:
        """All that is to be stored of it, once it is done."""
        added = self.addition()
        return [*([self.kept()] if self.wish.stores else ()), *([added] if added else ())]


def added_to(conversation: str, owner: str, items: list[Json], now: float) -> Addition:
    kept = [(str(item["id"]), orjson.dumps(item)) for item in items]
    return Addition(conversation, owner, now, kept)


async def read_order(
    body: Json, owner: str, archive: Archive, clock: Clock, recall: Recall | None = None
) -> Order:
    """`recall`: of a client that speaks WebSocket, which gets a stream in any case.

    Raises `BadRequest` that names the field, and what the archive raises.
    """
    wish, choice = read_wish(body)
    name, now = new_uuid(), clock.wall()
    follows = recall is not None and _only_follows(wish, body)
    items = [] if follows or _goes_on(wish, body) else read_input(body.get("input"), name)
    recalled = recall(wish.previous_response_id) if recall is not None else None
    before, items = await _all_items(wish, items, owner, archive, now, recalled)
    stream = wish.stream is True or recall is not None
    fields = chat_of(wish, choice, [*before, *items], stream=stream)
    document = begun(wish, choice, f"resp_{name}", int(now))
    making = Making(document, clock.wall, tells_errors=recall is None)
    names = names_of(wish, [*before, *items], len(before))
    return Order(wish, owner, now, items, before, recalled is not None, fields, names, making)


async def read_compaction(
    body: Json, owner: str, archive: Archive, clock: Clock
) -> tuple[Json, Compacting]:
    """The body of a chat, and how its answer is told. Raises as `read_order` does."""
    wish, _ = read_wish(body)
    name, now = new_uuid(), clock.wall()
    adds_nothing = _only_follows(wish, body) or _goes_on(wish, body)
    items = [] if adds_nothing else read_input(body.get("input"), name)
    before, items = await _all_items(wish, items, owner, archive, now)
    said = [*before, *items]
    fields = chat_for_summary(wish.model, wish.instructions, said)
    return fields, Compacting(name, int(now), said)


def _only_follows(wish: Wish, body: Json) -> bool:
    """Whether it has nothing to add to the response that it follows."""
    return wish.previous_response_id is not None and body.get("input") in (None, [])


async def _all_items(
    wish: Wish,
    items: list[Json],
    owner: str,
    archive: Archive,
    now: float,
    recalled: list[Json] | None = None,
) -> tuple[list[Json], list[Json]]:
    """Those of earlier responses or of its conversation, and its own with what references stand
    for."""
    before = recalled or []
    if wish.conversation_id is not None:
        before = await archive.ask(items_in, owner, wish.conversation_id, now)
        refuse_known(items, before)
    if recalled is None and wish.previous_response_id is not None:
        before = await archive.ask(items_before, owner, wish.previous_response_id, now)
    if any(item["type"] == REFERENCE for item in items):
        items = await archive.ask(resolved, owner, items, now)
    return before, items


def _goes_on(wish: Wish, body: Json) -> bool:
    """Whether a conversation is to go on from what is in it: then an input may be missing."""
    return wish.conversation_id is not None and body.get("input") is None
