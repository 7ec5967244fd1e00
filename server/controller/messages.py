"""Routes that read a message and answer with JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pydantic import BaseModel

from server.web.asgi import ASGIApp, Receive, Scope, Send, send_json
from server.web.bodies import read_message

T = TypeVar("T", bound=BaseModel)


def telling(kind: type[T], answer: Callable[[Scope, T], Awaitable[Any]]) -> ASGIApp:
    """A route that reads a `kind` and answers with JSON."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        message = await read_message(kind, scope, receive)
        await send_json(send, await answer(scope, message))

    return serve


def asking(answer: Callable[[], Any]) -> ASGIApp:
    """A route that needs no body and answers with JSON."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, answer())

    return serve
