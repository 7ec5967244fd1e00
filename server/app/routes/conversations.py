"""`/api/conversations`: the list, one of them, its messages, a copy to keep."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.app.export import as_attachment, write_json, write_markdown
from server.app.owner import owner_of
from server.app.reading import id_param, limit_param, path_id, read, text_param
from server.app.replies import NOT_KEPT, reply
from server.core.clock import Clock
from server.core.errors import BadRequest
from server.features.chat.chat import Chat
from server.store.conversations import Conversations
from server.store.messages import Messages
from server.wire.browser import MAX_PAGE, PAGE, ConversationChange, Message, NewConversation

LISTED: Final = 30
MAX_SEARCH_CHARS: Final = 200


class ConversationRoutes:
    def __init__(
        self, conversations: Conversations, messages: Messages, chat: Chat, clock: Clock
    ) -> None:
        self._conversations = conversations
        self._messages = messages
        self._chat = chat
        self._clock = clock

    def routes(self) -> list[Route]:
        every, one = "/api/conversations", "/api/conversations/{id}"
        return [
            Route(every, self.page, methods=["GET"]),
            Route(every, self.create, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.change, methods=["PATCH"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(one + "/messages", self.messages, methods=["GET"]),
            Route(one + "/export", self.export, methods=["GET"]),
        ]

    async def page(self, request: Request) -> Response:
        found = await self._conversations.page(
            owner_of(request.scope),
            limit=limit_param(request, LISTED, MAX_PAGE),
            cursor=text_param(request, "cursor") or None,
            search=text_param(request, "q", MAX_SEARCH_CHARS).strip(),
        )
        return reply(found)

    async def create(self, request: Request) -> Response:
        new, _ = await read(request, NewConversation)
        made = await self._conversations.create(owner_of(request.scope), new)
        return reply(made, 201, {"location": f"/api/conversations/{made.id}"})

    async def show(self, request: Request) -> Response:
        return reply(await self._conversations.get(owner_of(request.scope), path_id(request)))

    async def change(self, request: Request) -> Response:
        id = path_id(request)
        change, _ = await read(request, ConversationChange)
        return reply(await self._conversations.change(owner_of(request.scope), id, change))

    async def delete(self, request: Request) -> Response:
        owner, id = owner_of(request.scope), path_id(request)
        await self._chat.cancel_conversation(owner, id)
        await self._conversations.delete(owner, id)
        return Response(status_code=204)

    async def messages(self, request: Request) -> Response:
        page = await self._messages.page(
            owner_of(request.scope),
            path_id(request),
            limit=limit_param(request, PAGE, MAX_PAGE),
            before=id_param(request, "before"),
        )
        return reply(page)

    async def export(self, request: Request) -> Response:
        """JSON holds the whole tree, Markdown the branch that the reader is at."""
        owner, id = owner_of(request.scope), path_id(request)
        format = request.query_params.get("format", "markdown")
        if format not in ("markdown", "json"):
            raise BadRequest("format: markdown or json.", param="format")
        conversation, now = await self._conversations.get(owner, id), self._clock.wall()
        if format == "json":
            content = write_json(conversation, await self._messages.all(owner, id), now)
            name, media = f"{conversation.name}.json", "application/json"
        else:
            content = write_markdown(conversation, await self._branch(owner, id))
            name, media = f"{conversation.name}.md", "text/markdown; charset=utf-8"
        headers = {**NOT_KEPT, "content-disposition": as_attachment(name)}
        return Response(content, headers=headers, media_type=media)

    async def _branch(self, owner: str, id: str) -> list[Message]:
        """All of it, oldest first."""
        found: list[Message] = []
        before: str | None = None
        while True:
            page = await self._messages.page(owner, id, limit=MAX_PAGE, before=before)
            found[:0] = page.items
            if not page.more or not page.items:
                return found
            before = page.items[0].id
