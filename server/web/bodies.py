"""Reading a request's body as JSON, in every process the same way."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from server.core.errors import BadRequest, UnsupportedMedia
from server.core.limits import MAX_JSON_BYTES
from server.core.strict_json import parse_object
from server.web.asgi import Receive, Scope, header, read_body

T = TypeVar("T", bound=BaseModel)


async def read_json_bytes(
    scope: Scope, receive: Receive, max_bytes: int = MAX_JSON_BYTES, *, strict: bool = False
) -> bytes:
    """The body as it came, once its content type is JSON. Raises `RequestError`s.

    `strict` also refuses a request that names no content type: a web page of another host can
    send such a one without being asked about it first.
    """
    media = header(scope, b"content-type")
    named = media.partition(b";")[0].strip().lower() if media is not None else None
    if named != b"application/json" and (strict or named is not None):
        raise UnsupportedMedia("Send JSON, with Content-Type: application/json.")
    return await read_body(scope, receive, max_bytes)


async def read_json(
    scope: Scope, receive: Receive, max_bytes: int = MAX_JSON_BYTES, *, strict: bool = False
) -> dict[str, Any]:
    """The body as an object."""
    return parse_object(await read_json_bytes(scope, receive, max_bytes, strict=strict))


async def read_message(
    kind: type[T],
    scope: Scope,
    receive: Receive,
    max_bytes: int = MAX_JSON_BYTES,
    *,
    strict: bool = False,
) -> T:
    """The body as a `kind`. Raises `BadRequest` that names the field."""
    body = await read_json(scope, receive, max_bytes, strict=strict)
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        detail = error.errors()[0]
        at = ".".join(str(part) for part in detail["loc"]) or "the body"
        raise BadRequest(f"{at}: {detail['msg']}", param=at) from None
