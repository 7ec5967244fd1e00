"""Request bodies as typed requests, with mistakes in OpenAI's words."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from server.core.limits import MAX_CHAT_BYTES, MAX_JSON_BYTES
from server.web.asgi import Receive, Scope
from server.web.bodies import read_json
from server.wire.openai import refuse_beyond_us
from server.wire.openai_faults import bad_request
from server.wire.whole_numbers import validate

T = TypeVar("T", bound=BaseModel)

_CHAT = "/v1/chat/completions"


async def read_request(kind: type[T], scope: Scope, receive: Receive) -> T:
    """Raises `BadRequest` naming the field, also for fields no local engine can follow."""
    most = MAX_CHAT_BYTES if scope["path"] == _CHAT else MAX_JSON_BYTES
    body = await read_json(scope, receive, most)
    refuse_beyond_us(body)
    return parsed(kind, body)


def parsed(kind: type[T], body: dict[str, Any]) -> T:
    try:
        return validate(kind, body)
    except ValidationError as error:
        raise bad_request(error, body) from None
