"""Lists of what is kept, a page at a time, as OpenAI's clients ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import parse_qs

from server.core.errors import BadRequest
from server.gateway.dialects.values import Json
from server.web.asgi import Scope
from server.wire.openai_refusals import bad

Order = Literal["asc", "desc"]
MOST: Final = 100
USUAL: Final = 20
_MAX_QUERY_BYTES: Final = 16_384


@dataclass(frozen=True, slots=True)
class Page:
    after: str | None
    """The id of the thing behind which it begins."""
    limit: int
    newest_first: bool


def query_of(scope: Scope) -> dict[str, str]:
    """What the query says last of each name. Raises `BadRequest`."""
    query: bytes = scope["query_string"]
    if len(query) > _MAX_QUERY_BYTES:
        raise BadRequest("The query is too long.")
    said = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    return {name: values[-1] for name, values in said.items()}


def read_page(said: dict[str, str], usual: Order) -> Page:
    """`?limit=`, `?after=` and `?order=`, which is `usual` where it is not said. Raises
    `BadRequest`."""
    order = said.get("order", usual)
    if order not in ("asc", "desc"):
        raise bad("order", "it is asc or desc")
    limit = said.get("limit", str(USUAL))
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 3 and 1 <= int(limit) <= MOST):
        raise bad("limit", f"it is a whole number from 1 to {MOST}")
    return Page(said.get("after"), int(limit), order == "desc")


def page_of(things: list[Json], page: Page) -> Json:
    """`things`: all of them, the oldest first. Raises `BadRequest`."""
    ordered = things[::-1] if page.newest_first else things
    if page.after is not None:
        places = [at for at, thing in enumerate(ordered, start=1) if thing["id"] == page.after]
        if not places:
            raise not_in_list(page.after)
        ordered = ordered[places[0] :]
    return told(ordered, page)


def told(things: Sequence[Any], page: Page) -> Json:
    """`things`: those of the page, and those behind it as far as they were asked for: one of them
    is enough to know that there are more."""
    shown = list(things[: page.limit])
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else "",
        "last_id": shown[-1]["id"] if shown else "",
        "has_more": len(things) > page.limit,
    }


def not_in_list(after: str) -> BadRequest:
    return bad("after", f"there is no {after[:80]!r} in this list")
