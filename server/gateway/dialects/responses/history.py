"""What was said before: the responses that one follows, the conversation that it is part of, and
the items that it refers to.

These are questions to an `Archive`, asked in its thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import orjson

from server.core.errors import BadRequest, NotFound, TooLarge
from server.core.limits import MAX_CHAT_BYTES
from server.gateway.dialects.responses.items import REFERENCE
from server.gateway.dialects.values import Json
from server.ledger import conversations
from server.ledger.responses import Answers
from server.wire.openai_refusals import bad

_MADE_HERE: Final = re.compile(r"[a-z]+_([0-9a-f]{32})_i?[0-9]+")
"""The id of an item: it says which response it is of."""


def items_before(answers: Answers, owner: str, id: str, now: float) -> list[Json]:
    """All that was said up to and with the response `id`. Raises `BadRequest`."""
    try:
        chain = answers.chain(owner, id, now, MAX_CHAT_BYTES)
    except NotFound as error:
        raise _no_previous(f"Previous response with id '{error.message[:80]}' not found.") from None
    if chain[-1].holder and not chain[-1].is_lost(now):
        raise _no_previous(f"The response '{id[:80]}' is not done yet.")
    found: list[Json] = []
    for kept in chain:
        found += orjson.loads(kept.input)
        found += orjson.loads(kept.document)["output"]
    return found


def items_in(answers: Answers, owner: str, id: str, now: float) -> list[Json]:
    """All items of the conversation `id`. Raises `NotFound` and `TooLarge`."""
    found = conversations.all_items(answers, owner, id, now)
    if found is None:
        raise no_conversation(id, "conversation")
    return [orjson.loads(item) for item in found]


def no_conversation(id: str, param: str = "conversation_id") -> NotFound:
    return NotFound(f"Conversation with id '{id[:80]}' not found.", param=param)


def refuse_known(items: Iterable[Json], before: Iterable[Json] = (), called: str = "input") -> None:
    """What a conversation has already is not said to it again. `called`: the field that `items` are
    of. Raises `BadRequest`."""
    known = {item["id"] for item in before}
    for item in items:
        if item["type"] != REFERENCE and item["id"] in known:
            raise BadRequest(
                f"The item {item['id'][:80]!r} is in the conversation already; leave it out.",
                param=called,
                code="duplicate_item",
            )
        known.add(item["id"])


def resolved(
    answers: Answers, owner: str, items: list[Json], now: float, called: str = "input"
) -> list[Json]:
    """`items`, with what references stand for in their place. `called`: the field they are of.

    Raises `BadRequest`, and `TooLarge`: short references may stand for more than anybody may send.
    """
    known: dict[str, Json] = {}
    found: list[Json] = []
    size = 0
    for item in items:
        if item["type"] != REFERENCE:
            found.append(item)
            continue
        id = item["id"]
        if id not in known:
            size += _learn(answers, owner, id, now, known)
        if id not in known:
            raise bad(called, f"item with id '{id[:80]}' not found")
        size += len(orjson.dumps(known[id]))
        if size > MAX_CHAT_BYTES:
            raise TooLarge("These references stand for too much.", param=called)
        found.append(known[id])
    return found


def _learn(answers: Answers, owner: str, id: str, now: float, known: dict[str, Json]) -> int:
    """All items of the response that `id` is of, or the one of a conversation. Returns how many
    bytes had to be read."""
    made = _MADE_HERE.fullmatch(id)
    kept = answers.find(owner, f"resp_{made[1]}", now) if made is not None else None
    if kept is None:
        item = conversations.item_of(answers, owner, id, now)
        known |= {} if item is None else {id: orjson.loads(item)}
        return len(item or b"")
    said = orjson.loads(kept.input) + orjson.loads(kept.document)["output"]
    known |= {item["id"]: item for item in said}
    return len(kept.input) + len(kept.document)


def _no_previous(message: str) -> BadRequest:
    return BadRequest(message, param="previous_response_id", code="previous_response_not_found")
