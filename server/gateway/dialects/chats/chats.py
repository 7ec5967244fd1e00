"""Chats that are kept because they were asked for with `store`, and asked for again.

    GET    /v1/chat/completions                 a list of them
    GET    /v1/chat/completions/ID
    POST   /v1/chat/completions/ID              other metadata
    DELETE /v1/chat/completions/ID
    GET    /v1/chat/completions/ID/messages     what was asked

    Relay > Interpreter > Keeper > the client, for a chat that is to be kept

https://platform.openai.com/docs/api-reference/chat/list
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Final

import orjson

from server.core.clock import Clock
from server.core.errors import BadRequest, NotFound, RequestError, TooLarge
from server.core.limits import MAX_ANSWER_BYTES, MAX_JSON_BYTES
from server.core.strict_json import parse_object
from server.gateway.asked import Asked
from server.gateway.dialects.chats.document import kept_document, messages_of
from server.gateway.dialects.chats.keeping import KeptChat
from server.gateway.dialects.kept.archive import Archive
from server.gateway.dialects.kept.door import nothing_here, only, owner_of
from server.gateway.dialects.kept.keeper import Keeper
from server.gateway.dialects.kept.listing import not_in_list, page_of, query_of, read_page, told
from server.gateway.dialects.kept.metadata import read_metadata, read_new_metadata, told_metadata
from server.gateway.dialects.values import Json
from server.gateway.dialects.via import CHAT, Interpreter
from server.ledger.chats import Wanted
from server.ledger.responses import Answers, Kept
from server.web.asgi import Receive, Scope, Send, read_body, send_json
from server.web.edge import request_id_of
from server.wire.openai import MAX_METADATA
from server.wire.openai_refusals import bad

log = logging.getLogger(__name__)

_LABEL: Final = "metadata["
"""Before the key of what a list is asked for, and its closing bracket."""


class Chats:
    """An ASGI application for the paths at and below `CHAT`, and what keeps the chats.

    A chat belongs to the key that asked for it; for every other key it does not exist.
    """

    def __init__(self, archive: Archive, clock: Clock) -> None:
        self._archive = archive
        self._clock = clock

    def kept(
        self, asked: Asked, scope: Scope, receive: Receive, send: Send
    ) -> tuple[Receive, Send]:
        """Its client, as the relay is to know it. Raises `BadRequest`."""
        store, is_chat = asked.fields["store"], asked.ability == "chat" and asked.generates
        if not is_chat or asked.translated or store is None or store is False:
            return receive, send
        if store is not True:
            raise BadRequest("store must be true or false.", param="store", code="invalid_type")
        metadata = read_metadata(asked.fields)
        chat = KeptChat(tells_usage=not asked.stream or _asks_usage(asked))
        if asked.stream:
            _ask_usage(asked)
        keep = partial(self._keep, chat, asked, metadata, scope)
        keeper = Keeper(receive, send, chat, keep)
        between = Interpreter(keeper.receive, keeper.send, b"", chat, request_id_of(scope))
        return between.receive, between.send

    async def _keep(self, chat: KeptChat, asked: Asked, metadata: str, scope: Scope) -> None:
        """If it cannot be, its client has the answer all the same, and is told so."""
        owner, now, fields = owner_of(scope), self._clock.wall(), asked.fields
        document = kept_document(chat.document, fields, request_id_of(scope), now)
        messages, told = orjson.dumps(fields.get("messages")), orjson.dumps(document)
        model = str(document["model"])
        kept = Kept(chat.id, owner, None, now, "", now, messages, told, "chat", model, metadata)
        try:
            if chat.too_large:
                raise TooLarge(f"It has more than {MAX_ANSWER_BYTES} bytes.")
            await self._archive.put(kept)
        except RequestError as error:
            log.warning("a chat could not be kept", extra={"cause": error.message})
            chat.refuse()

    # what was kept --------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        id, _, below = path.removeprefix(CHAT).removeprefix("/").partition("/")
        if path == CHAT:
            only(method, "GET", "POST")
            await send_json(send, await self._list(scope))
        elif not path.startswith(f"{CHAT}/") or not id or below not in ("", "messages"):
            raise nothing_here()
        elif below:
            only(method, "GET")
            page = read_page(query_of(scope), "asc")
            kept = await self._find(scope, id)
            await send_json(send, page_of(messages_of(id, orjson.loads(kept.input)), page))
        else:
            only(method, "GET", "POST", "DELETE")
            ask = {"GET": self._show, "POST": self._relabel, "DELETE": self._delete}
            await send_json(send, await ask[method](scope, receive, id))

    async def _list(self, scope: Scope) -> Json:
        said = query_of(scope)
        page = read_page(said, "asc")
        labels = {name[len(_LABEL) : -1]: said[name] for name in said if _is_label(name)}
        if len(labels) > MAX_METADATA:
            raise bad("metadata", f"it may have at most {MAX_METADATA} keys")
        wanted = Wanted(said.get("model"), labels, page.after, page.limit + 1, page.newest_first)
        now = self._clock.wall()
        found = await self._archive.ask(Answers.chats, owner_of(scope), wanted, now)
        if found is None:
            raise not_in_list(page.after or "")
        return told([_told(kept) for kept in found], page)

    async def _show(self, scope: Scope, receive: Receive, id: str) -> Json:
        return _told(await self._find(scope, id))

    async def _relabel(self, scope: Scope, receive: Receive, id: str) -> Json:
        metadata = read_new_metadata(parse_object(await read_body(scope, receive, MAX_JSON_BYTES)))
        owner, now = owner_of(scope), self._clock.wall()
        kept = await self._archive.ask(Answers.relabel, owner, id, "chat", metadata, now)
        if kept is None:
            raise _unknown(id)
        return _told(kept)

    async def _delete(self, scope: Scope, receive: Receive, id: str) -> Json:
        if not await self._archive.ask(Answers.delete, owner_of(scope), id, "chat"):
            raise _unknown(id)
        return {"id": id, "object": "chat.completion.deleted", "deleted": True}

    async def _find(self, scope: Scope, id: str) -> Kept:
        """Raises `NotFound`."""
        owner, now = owner_of(scope), self._clock.wall()
        kept = await self._archive.ask(Answers.find, owner, id, now, "chat")
        if kept is None:
            raise _unknown(id)
        return kept


def _is_label(name: str) -> bool:
    return name.startswith(_LABEL) and name.endswith("]")


def _told(kept: Kept) -> Json:
    document: Json = orjson.loads(kept.document)
    return document | {"metadata": told_metadata(kept.metadata)}


def _unknown(id: str) -> NotFound:
    return NotFound(f"Chat completion with id '{id[:80]}' not found.", param="completion_id")


def _asks_usage(asked: Asked) -> bool:
    options = asked.fields.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _ask_usage(asked: Asked) -> None:
    """What is kept says what it has used, whether its client wants to hear it or not. Options that
    are none are for the worker to refuse."""
    options = asked.fields.get("stream_options") or {}
    if isinstance(options, dict) and not _asks_usage(asked):
        asked.fields = asked.fields | {"stream_options": options | {"include_usage": True}}
        asked.body = orjson.dumps(asked.fields)
