"""Routes that read a message and answer with JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from server.core.errors import BadRequest, UnsupportedMedia
from server.core.limits import MAX_JSON_BYTES
from server.core.strict_json import parse_object
from server.web.asgi import ASGIApp, Receive, Scope, Send, header, read_body, send_json

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


async def read_message(kind: type[T], scope: Scope, receive: Receive) -> T:
    """The request's body as a `kind`. Raises `BadRequest` that names the field."""
    body = await read_json(scope, receive)
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        detail = error.errors()[0]
        at = ".".join(str(part) for part in detail["loc"]) or "the body"
        raise BadRequest(f"{at}: {detail['msg']}", param=at) from None


async def read_json(scope: Scope, receive: Receive) -> dict[str, Any]:
    media = header(scope, b"content-type")
    if media is not None and media.partition(b";")[0].strip().lower() != b"application/json":
        raise UnsupportedMedia("Send JSON, with Content-Type: application/json.")
    return parse_object(await read_body(scope, receive, MAX_JSON_BYTES))
