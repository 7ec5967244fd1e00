"""The gateway's edge: who asks in another dialect is refused in it too."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any

from server.gateway.dialects.anthropic.errors import refusal
from server.gateway.dialects.anthropic.messages import MESSAGES
from server.gateway.dialects.via import Between
from server.web.asgi import Header, Message, Receive, Scope, Send
from server.web.edge import Edge, request_id_of


class DialectEdge(Edge):
    """Whatever refuses such a request (the edge, a key, a limit, the worker) says it as OpenAI
    does; here, on its way out, it gets its own words."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        if not scope.get("path", "").startswith(MESSAGES):
            return super().__call__(scope, receive, send)
        wording = Wording(scope, receive, send)
        return super().__call__(scope, wording.receive, wording.send)


class Wording(Between):
    """The client, as the edge knows it, with Anthropic's errors and name for a request's id."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(receive, send)
        self._scope = scope

    async def respond(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        request_id = request_id_of(self._scope)
        if status >= 400:
            body = refusal(status, body, request_id)
        await self.own.respond(status, [*headers, (b"request-id", request_id.encode())], body)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            own_id = (b"request-id", request_id_of(self._scope).encode())
            message = {**message, "headers": [*message["headers"], own_id]}
        await self._send(message)
