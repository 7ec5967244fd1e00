"""`/v1/conversations`: items that go on, whichever responses are made of them.

    POST   /v1/conversations                        make one, with items or without
    GET    /v1/conversations/ID
    POST   /v1/conversations/ID                     other metadata
    DELETE /v1/conversations/ID                     and its items
    GET    /v1/conversations/ID/items
    POST   /v1/conversations/ID/items               add some
    GET    /v1/conversations/ID/items/ITEM
    DELETE /v1/conversations/ID/items/ITEM

A response that names a conversation reads its items, and adds to them what it was asked and what it
said (`responses/order.py`).

https://platform.openai.com/docs/api-reference/conversations
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from server.core.clock import Clock
from server.core.errors import NotFound
from server.core.ids import new_uuid
from server.core.limits import MAX_CHAT_BYTES
from server.core.strict_json import parse_object
from server.gateway.dialects.kept.archive import Archive
from server.gateway.dialects.kept.door import nothing_here, only, owner_of
from server.gateway.dialects.kept.listing import not_in_list, query_of, read_page, told
from server.gateway.dialects.kept.metadata import read_metadata, read_new_metadata, told_metadata
from server.gateway.dialects.responses.history import no_conversation, refuse_known, resolved
from server.gateway.dialects.responses.items import REFERENCE, read_items
from server.gateway.dialects.responses.order import added_to
from server.gateway.dialects.values import Json
from server.ledger import conversations
from server.ledger.responses import Answers, Kept
from server.web.asgi import Receive, Scope, Send, read_body, send_json

CONVERSATIONS: Final = "/v1/conversations"
MOST_AT_ONCE: Final = 20
"""Items that one request adds, as OpenAI has it."""


class Conversations:
    """An ASGI application for the paths at and below `CONVERSATIONS`.

    A conversation belongs to the key that made it; for every other key it does not exist.
    """

    def __init__(self, archive: Archive, clock: Clock) -> None:
        self._archive = archive
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        below = scope["path"].removeprefix(CONVERSATIONS)
        await send_json(send, await self._answer(scope, receive, below.split("/")[1:]))

    async def _answer(self, scope: Scope, receive: Receive, names: list[str]) -> Json:
        method = scope["method"]
        match names:
            case []:
                only(method, "POST")
                return await self._create(scope, receive)
            case [id] if id:
                only(method, "GET", "POST", "DELETE")
                ask = {"GET": self._show, "POST": self._relabel, "DELETE": self._delete}
                return await ask[method](scope, receive, id)
            case [id, "items"] if id:
                only(method, "GET", "POST")
                return await (self._list if method == "GET" else self._add)(scope, receive, id)
            case [id, "items", item] if id and item:
                only(method, "GET", "DELETE")
                return await (self._item if method == "GET" else self._drop)(scope, id, item)
        raise nothing_here()

    async def _create(self, scope: Scope, receive: Receive) -> Json:
        raw = await read_body(scope, receive, MAX_CHAT_BYTES)
        body, owner, now = parse_object(raw or b"{}"), owner_of(scope), self._clock.wall()
        given = body.get("items")
        items = [] if given is None or given == [] else await self._read(given, owner, now)
        document = orjson.dumps({"created_at": int(now)})
        id, metadata = f"conv_{new_uuid()}", read_metadata(body)
        kept = Kept(id, owner, None, now, "", now, b"", document, "conversation", metadata=metadata)
        await self._archive.put(kept, added_to(id, owner, items, now))
        return _told(kept)

    async def _show(self, scope: Scope, receive: Receive, id: str) -> Json:
        return _told(await self._find(scope, id))

    async def _relabel(self, scope: Scope, receive: Receive, id: str) -> Json:
        metadata = read_new_metadata(parse_object(await read_body(scope, receive, MAX_CHAT_BYTES)))
        owner, now = owner_of(scope), self._clock.wall()
        ask = self._archive.ask
        kept = await ask(Answers.relabel, owner, id, "conversation", metadata, now)
        if kept is None:
            raise no_conversation(id)
        return _told(kept)

    async def _delete(self, scope: Scope, receive: Receive, id: str) -> Json:
        if not await self._archive.ask(Answers.delete, owner_of(scope), id, "conversation"):
            raise no_conversation(id)
        return {"id": id, "object": "conversation.deleted", "deleted": True}

    async def _list(self, scope: Scope, receive: Receive, id: str) -> Json:
        page = read_page(query_of(scope), "desc")
        await self._find(scope, id)
        items = await self._archive.ask(
            conversations.some_items,
            id,
            page.after,
            page.limit + 1,
            newest_first=page.newest_first,
        )
        if items is None:
            raise not_in_list(page.after or "")
        return told([orjson.loads(item) for item in items], page)

    async def _add(self, scope: Scope, receive: Receive, id: str) -> Json:
        body = parse_object(await read_body(scope, receive, MAX_CHAT_BYTES))
        owner, now = owner_of(scope), self._clock.wall()
        items = await self._read(body.get("items"), owner, now)
        if not await self._archive.ask(conversations.add_items, added_to(id, owner, items, now)):
            raise no_conversation(id)
        return {
            "object": "list",
            "data": items,
            "first_id": items[0]["id"],
            "last_id": items[-1]["id"],
            "has_more": False,
        }

    async def _item(self, scope: Scope, id: str, name: str) -> Json:
        await self._find(scope, id)
        item = await self._archive.ask(conversations.one_item, id, name)
        if item is None:
            raise _no_item(name)
        found: Json = orjson.loads(item)
        return found

    async def _drop(self, scope: Scope, id: str, name: str) -> Json:
        """What is told is the conversation."""
        kept = await self._find(scope, id)
        if not await self._archive.ask(conversations.drop_item, id, name):
            raise _no_item(name)
        return _told(kept)

    async def _read(self, given: Any, owner: str, now: float) -> list[Json]:
        """Items as they are kept, with what references stand for. Raises `BadRequest`."""
        items = read_items(given, new_uuid(), "items", MOST_AT_ONCE)
        if any(item["type"] == REFERENCE for item in items):
            items = await self._archive.ask(resolved, owner, items, now, "items")
        refuse_known(items, called="items")
        return items

    async def _find(self, scope: Scope, id: str) -> Kept:
        """Raises `NotFound`."""
        owner, now = owner_of(scope), self._clock.wall()
        kept = await self._archive.ask(Answers.find, owner, id, now, "conversation")
        if kept is None:
            raise no_conversation(id)
        return kept


def _told(kept: Kept) -> Json:
    return {
        "id": kept.id,
        "object": "conversation",
        **orjson.loads(kept.document),
        "metadata": told_metadata(kept.metadata),
    }


def _no_item(id: str) -> NotFound:
    return NotFound(f"Item with id '{id[:80]}' not found.", param="item_id")
