"""Reading a request's body as JSON, in every process the same way."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from server.core.errors import BadRequest, UnsupportedMedia
from server.core.limits import MAX_JSON_BYTES
from server.core.strict_json import parse_object
from server.web.asgi import Receive, Scope, header, read_body

T = TypeVar("T", bound=BaseModel)

MAX_PLACE_CHARS = 200
_TYPE_WORDS = frozenset({"int", "str", "float", "bool", "none"})
"""What pydantic adds to the place of an error inside a union."""


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
        raise fault_in(error) from None


def fault_in(error: ValidationError) -> BadRequest:
    """The first field that is wrong, and what is wrong with it."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = _place(first["loc"])
    words = first["msg"].removeprefix("Value error, ").rstrip(".")
    return BadRequest(f"{place or 'The body'}: {words}.", param=place)


def _place(parts: tuple[int | str, ...]) -> str | None:
    """`settings.stop.0`, without the names of types that stand in it for unions."""
    kept = [
        str(part)
        for at, part in enumerate(parts)
        if isinstance(part, int) or at == 0 or (part.islower() and part.isidentifier())
    ]
    return ".".join(part for part in kept if part not in _TYPE_WORDS)[:MAX_PLACE_CHARS] or None
