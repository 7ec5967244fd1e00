"""What can be asked of the conversations that are kept. Each is one short transaction.

To whoever is not its owner a conversation is not there. `now` is in seconds since 1970.
"""

from __future__ import annotations

from server.ledger import items
from server.ledger.items import Addition
from server.ledger.responses import KEEP_S, Answers


def is_there(answers: Answers, owner: str, id: str, now: float) -> bool:
    return answers.find(owner, id, now, "conversation") is not None


def all_items(answers: Answers, owner: str, id: str, now: float) -> list[bytes] | None:
    """The oldest first; None: there is no such conversation. Raises `TooLarge`."""
    with answers.reading() as db:
        if not is_there(answers, owner, id, now):
            return None
        items.check_room(db, id)
        return items.all_items(db, id)


def some_items(
    answers: Answers, id: str, after: str | None, limit: int, *, newest_first: bool
) -> list[bytes] | None:
    """Of a conversation that is its asker's; None: the item `after` is not in it."""
    with answers.reading() as db:
        return items.some_items(db, id, after, limit, newest_first=newest_first)


def one_item(answers: Answers, id: str, item: str) -> bytes | None:
    """The same, of one item."""
    with answers.reading() as db:
        return items.one_item(db, id, item)


def item_of(answers: Answers, owner: str, item: str, now: float) -> bytes | None:
    """Of whichever conversation of `owner`."""
    with answers.reading() as db:
        return items.item_of(db, owner, item, now - KEEP_S)


def add_items(answers: Answers, added: Addition) -> bool:
    """All or none; whether the conversation is there. Raises `TooLarge` and `BadRequest`."""
    with answers.writing() as db:
        if not is_there(answers, added.owner, added.conversation, added.created):
            return False
        items.check_room(db, added.conversation, added)
        items.append(db, added)
        answers.make_room(db, added.owner, added.conversation)
        return True


def drop_item(answers: Answers, id: str, item: str) -> bool:
    """Whether it was in the conversation, which is its asker's."""
    with answers.writing() as db:
        return items.drop_item(db, id, item)
