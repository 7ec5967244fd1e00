"""`/api/chat`: ask, listen, stop."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.app.owner import owner_of
from server.app.reading import path_id, read
from server.app.replies import reply
from server.app.router import Direct
from server.app.streams import Streams, send_events
from server.core.errors import BadRequest
from server.features.chat.chat import Chat
from server.features.chat.run import Run
from server.web.asgi import ClientLeft, Receive, Send, until_left
from server.wire.browser import CONVERSATION_HEADER, MESSAGE_HEADER, ChatRequest

T = TypeVar("T")

_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_PLACE = re.compile(r"[0-9]{1,9}")


class ChatRoutes:
    def __init__(self, chat: Chat, streams: Streams) -> None:
        self._chat = chat
        self._streams = streams

    def routes(self) -> list[Route]:
        return [
            Route("/api/chat", Direct(self.ask), methods=["POST"]),
            Route("/api/chat/{id}/events", Direct(self.listen), methods=["GET"]),
            Route("/api/chat/{id}/stop", self.stop, methods=["POST"]),
        ]

    async def ask(self, request: Request, send: Send) -> None:
        question, body = await read(request, ChatRequest)
        owner, key = owner_of(request.scope), _key(request)
        fingerprint = hashlib.sha256(body).hexdigest()
        if question.stream:
            with self._streams.one():  # before anything is stored, so that a refusal has no effect
                run = await self._chat.ask(owner, question, key=key, fingerprint=fingerprint)
                await self._send(request, send, run, 0)
        else:
            run = await self._chat.ask(owner, question, key=key, fingerprint=fingerprint)
            answer = await _unless_left(request.receive, self._chat.whole(run))
            await reply(answer, headers=_names(run))(request.scope, request.receive, send)

    async def listen(self, request: Request, send: Send) -> None:
        after = _place(request)
        with self._streams.one():
            run = await self._chat.find(owner_of(request.scope), path_id(request))
            await self._send(request, send, run, after)

    async def stop(self, request: Request) -> Response:
        return reply(await self._chat.stop(owner_of(request.scope), path_id(request)))

    async def _send(self, request: Request, send: Send, run: Run, after: int) -> None:
        await send_events(request, send, _frames(self._chat, run, after), _names(run))


async def _frames(chat: Chat, run: Run, after: int) -> AsyncIterator[bytes]:
    async with aclosing(chat.events(run, after)) as events:
        async for event in events:
            yield event.encode()


def _names(run: Run) -> dict[str, str]:
    return {CONVERSATION_HEADER: run.conversation_id, MESSAGE_HEADER: run.message.id}


def _key(request: Request) -> str | None:
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise BadRequest(
            "Idempotency-Key: one header with 1 to 200 visible ASCII characters.",
            param="Idempotency-Key",
        )
    return keys[0]


def _place(request: Request) -> int:
    """How many characters the reader has. A browser's own `EventSource` cannot set the header on
    its first call, so the address may say it too; the header is the later word."""
    query = request.query_params.get("last_event_id", "")
    text = request.headers.get("last-event-id") or query or "0"
    if not _PLACE.fullmatch(text):
        raise BadRequest("Last-Event-ID: the number of characters received.", param="Last-Event-ID")
    return int(text)


async def _unless_left(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. Raises `ClientLeft`, with the work cancelled, if nobody waits for it."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.create_task(until_left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientLeft
    finally:
        leaving.cancel()
        working.cancel()
