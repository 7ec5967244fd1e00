"""What the query of a request below `/v1/responses` says: a page of an input's items, or where a
stream begins."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from server.core.errors import BadRequest
from server.gateway.dialects.responses.values import Json
from server.web.asgi import Scope
from server.wire.openai_refusals import bad

MOST: Final = 100
USUAL: Final = 20
_MAX_QUERY_BYTES: Final = 4096
MAX_DIGITS: Final = 9


def page_of(items: list[Json], scope: Scope) -> Json:
    """`?limit=`, `?after=` and `?order=`, of which the newest first is the usual one. Raises
    `BadRequest`."""
    said = _query(scope)
    order = said.get("order", ["desc"])[-1]
    if order not in ("asc", "desc"):
        raise bad("order", "it is asc or desc")
    limit = _limit(said.get("limit", [str(USUAL)])[-1])
    ordered = items if order == "asc" else items[::-1]
    begin = _begin(ordered, said["after"][-1]) if "after" in said else 0
    page = ordered[begin : begin + limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else "",
        "last_id": page[-1]["id"] if page else "",
        "has_more": begin + limit < len(ordered),
    }


def first_event(scope: Scope) -> int | None:
    """The number of the event from which on a response is wanted as a stream; None: it is wanted
    whole. Raises `BadRequest`."""
    said = _query(scope)
    if said.get("stream", ["false"])[-1].lower() != "true":
        return None
    after = said.get("starting_after", [""])[-1]
    if not after:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= MAX_DIGITS):
        raise bad("starting_after", "it is the sequence_number of an event")
    return int(after) + 1


def _query(scope: Scope) -> dict[str, list[str]]:
    query: bytes = scope["query_string"]
    if len(query) > _MAX_QUERY_BYTES:
        raise BadRequest("The query is too long.")
    return parse_qs(query.decode("latin-1"), keep_blank_values=True)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MOST):
        raise bad("limit", f"it is a whole number from 1 to {MOST}")
    return int(text)


def _begin(items: list[Json], after: str) -> int:
    for at, item in enumerate(items, start=1):
        if item["id"] == after:
            return at
    raise bad("after", f"there is no item {after[:80]!r} in this input")
