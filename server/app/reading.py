"""What a request says, read once and strictly. Everything here raises `RequestError`s."""

from __future__ import annotations

import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from server.core.errors import BadRequest, NotFound
from server.core.strict_json import parse_object
from server.web.bodies import fault_in, read_json_bytes

T = TypeVar("T", bound=BaseModel)

MAX_PARAM_CHARS = 1_000
_ID = re.compile(r"[0-9a-f]{32}")


async def read(request: Request, kind: type[T]) -> tuple[T, bytes]:
    """The body as a `kind`, and its bytes."""
    raw = await read_json_bytes(request.scope, request.receive, strict=True)
    try:
        return kind.model_validate(parse_object(raw)), raw
    except ValidationError as error:
        raise fault_in(error) from error


def path_id(request: Request) -> str:
    """The id in the path; what cannot be one is not found."""
    id: str = request.path_params["id"]
    if not _ID.fullmatch(id):
        raise NotFound("There is nothing with this id.")
    return id


def text_param(request: Request, name: str, max_chars: int = MAX_PARAM_CHARS) -> str:
    """Empty when it is absent."""
    text = request.query_params.get(name, "")
    if len(text) > max_chars or "\0" in text:
        raise BadRequest(f"{name}: at most {max_chars} characters, none of them NUL.", param=name)
    return text


def limit_param(request: Request, default: int, most: int) -> int:
    text = request.query_params.get("limit", str(default))
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= most:
        raise BadRequest(f"limit: a number from 1 to {most}.", param="limit")
    return int(text)


def id_param(request: Request, name: str) -> str | None:
    """None when it is absent."""
    text = request.query_params.get(name)
    if text is not None and not _ID.fullmatch(text):
        raise BadRequest(f"{name}: 32 hexadecimal digits.", param=name)
    return text
