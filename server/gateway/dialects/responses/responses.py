"""`/v1/responses`: OpenAI's newer API, over the same models as its chats.

    POST   /v1/responses                    make one: whole, as a stream, or in the background
    GET    /v1/responses                    upgraded to a WebSocket: make one after the other
    GET    /v1/responses/ID                 as it is now, or `?stream=true` as its events
    DELETE /v1/responses/ID
    POST   /v1/responses/ID/cancel          one that is made in the background
    GET    /v1/responses/ID/input_items
    POST   /v1/responses/input_tokens       how many tokens an input has
    POST   /v1/responses/compact            a conversation in fewer tokens

https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import orjson

from server.core.clock import Clock, SystemClock
from server.core.errors import NotFound
from server.core.limits import MAX_CHAT_BYTES
from server.core.strict_json import parse_object
from server.gateway.asked import TOKENIZE
from server.gateway.dialects.kept.archive import Archive
from server.gateway.dialects.kept.door import nothing_here, only, owner_of
from server.gateway.dialects.kept.listing import page_of, query_of, read_page
from server.gateway.dialects.responses.counting import Counting
from server.gateway.dialects.responses.creating import Creating
from server.gateway.dialects.responses.document import cancelled, failed
from server.gateway.dialects.responses.following import first_event, follow
from server.gateway.dialects.responses.names import names_of_summary
from server.gateway.dialects.responses.order import Order, read_compaction
from server.gateway.dialects.responses.retelling import retold
from server.gateway.dialects.responses.runs import Runs
from server.gateway.dialects.responses.sockets.memory import Memory, Recollection
from server.gateway.dialects.responses.story import PING
from server.gateway.dialects.values import Json
from server.gateway.dialects.via import through
from server.gateway.relay import Relay
from server.ledger.responses import Answers, Kept
from server.web.asgi import (
    JSON,
    Receive,
    Scope,
    Send,
    read_body,
    send_json,
    send_whole,
    wants_socket,
)
from server.wire.openai_refusals import bad

RESPONSES: Final = "/v1/responses"
COUNT: Final = "input_tokens"
COMPACT: Final = "compact"
LOOK_S: Final = 1.0
"""Between two looks at a response that is made elsewhere."""
_COUNTED: Final[tuple[str, ...]] = ("model", "messages", "tools")
"""Of a chat, what goes into the prompt."""
_LOST: Final = {"message": "The gateway that made this response has ended."}


class Responses:
    """An ASGI application for the paths at and below `RESPONSES`.

    A response belongs to the key that made it; for every other key it does not exist.
    """

    def __init__(self, relay: Relay, archive: Archive, clock: Clock | None = None) -> None:
        self._relay = relay
        self._clock = clock or SystemClock()
        self._archive = archive
        self._creating = Creating(relay, self._archive, self._clock)
        self._runs = Runs(relay, self._archive, self._clock)
        self._memory = Memory()

    async def close(self) -> None:
        """After the last request."""
        await self._runs.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        id, _, below = path.removeprefix(RESPONSES).removeprefix("/").partition("/")
        if path == RESPONSES and wants_socket(scope):
            await self._converse(scope, send)
        elif path == RESPONSES:
            only(method, "POST")
            await self._create(scope, receive, send)
        elif id in (COUNT, COMPACT) and not below:
            only(method, "POST")
            ask = self._count if id == COUNT else self._compact
            await ask(scope, receive, send)
        elif not id:
            raise nothing_here()
        elif below:
            await send_json(send, await self._below(scope, id, below))
        elif method == "DELETE":
            await send_json(send, await self._delete(scope, id))
        else:
            only(method, "GET", "DELETE")
            await self._show(scope, id, receive, send)

    async def _below(self, scope: Scope, id: str, name: str) -> Json:
        method = scope["method"]
        if name == "cancel":
            only(method, "POST")
            return await self._cancel(scope, id)
        if name == "input_items":
            only(method, "GET")
            kept, _ = await self._find(scope, id)
            return page_of(orjson.loads(kept.input), read_page(query_of(scope), "desc"))
        raise nothing_here()

    async def _show(self, scope: Scope, id: str, receive: Receive, send: Send) -> None:
        start = first_event(scope)
        _, document = await self._find(scope, id)
        if start is None:
            await send_json(send, document)
        else:
            events = self._events(scope, document, start)
            await follow(events, self._relay.drain, receive, send)

    async def _create(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = parse_object(await read_body(scope, receive, MAX_CHAT_BYTES))
        order = await self._creating.order(body, scope)
        if order.wish.background:
            await self._in_background(order, scope, receive, send)
        else:
            await self._creating.make(order, scope, receive, send)

    async def _converse(self, scope: Scope, send: Send) -> None:
        # They bring a library, for which a gateway without sockets has no use.
        from server.gateway.dialects.responses.sockets.conversation import Conversation
        from server.web.websocket.handshake import open_socket

        socket = open_socket(scope, send, MAX_CHAT_BYTES)
        await Conversation(
            self._relay, self._creating, Recollection(self._memory), socket, scope
        ).run()

    async def _in_background(
        self, order: Order, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """It is in the file before anybody hears of it, and told as it is there."""
        kept = order.kept(self._runs.holder)
        run = await self._runs.begin(scope, order)
        try:
            await self._archive.put(kept)
        except BaseException:
            self._runs.cancel(order.id)
            raise
        finally:
            run.kept.set()
        if run.client.story is not None:
            await follow(run.client.story.read(0), self._relay.drain, receive, send)
        else:
            await send_whole(send, 200, [JSON], kept.document)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = parse_object(await read_body(scope, receive, MAX_CHAT_BYTES))
        order = await self._creating.order(body, scope)
        fields = {name: order.fields[name] for name in _COUNTED if name in order.fields}
        path, names = TOKENIZE.decode(), order.names
        await through(self._relay, scope, receive, send, fields, Counting(), path=path, names=names)

    def _events(self, scope: Scope, document: Json, start: int) -> AsyncGenerator[bytes, None]:
        story = self._runs.story(document["id"])
        if story is not None and story.reaches_back_to(start):
            return story.read(start)
        return self._events_when_done(scope, document, start)

    async def _events_when_done(
        self, scope: Scope, document: Json, start: int
    ) -> AsyncGenerator[bytes, None]:
        """It is made elsewhere, or not as a stream, or was long ago: in the meantime there is
        nothing to tell."""
        while document["status"] == "in_progress":
            yield PING
            await asyncio.sleep(LOOK_S)
            try:
                _, document = await self._find(scope, document["id"])
            except NotFound:
                return  # it was deleted
        yield retold(document, start)

    async def _compact(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = parse_object(await read_body(scope, receive, MAX_CHAT_BYTES))
        found = await read_compaction(body, owner_of(scope), self._archive, self._clock)
        names = names_of_summary()
        await through(self._relay, scope, receive, send, *found, names=names)

    async def _find(self, scope: Scope, id: str) -> tuple[Kept, Json]:
        """It, and its document. Raises `NotFound`."""
        now = self._clock.wall()
        kept = await self._archive.ask(Answers.find, owner_of(scope), id, now)
        if kept is None:
            raise _unknown(id)
        document: Json = orjson.loads(kept.document)
        if kept.is_lost(now):
            document = failed(document, _LOST)
            await self._archive.ask(Answers.finish, id, orjson.dumps(document))
        return kept, document

    async def _cancel(self, scope: Scope, id: str) -> Json:
        """What has ended stays as it is."""
        _, document = await self._find(scope, id)
        if not document["background"]:
            raise bad("response_id", "only what is made in the background can be cancelled")
        if document["status"] != "in_progress":
            return document
        document = cancelled(document)
        if await self._archive.ask(Answers.finish, id, orjson.dumps(document)):
            self._runs.cancel(id)
            return document
        _, document = await self._find(scope, id)  # it ended at the same time
        return document

    async def _delete(self, scope: Scope, id: str) -> Json:
        if not await self._archive.ask(Answers.delete, owner_of(scope), id):
            raise _unknown(id)
        self._runs.forget(id)
        return {"id": id, "object": "response", "deleted": True}


def _unknown(id: str) -> NotFound:
    return NotFound(f"Response with id '{id[:80]}' not found.", param="response_id")
