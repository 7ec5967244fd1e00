"""Where a page of conversations ended, as a text that means nothing to its bearer."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from server.core.errors import BadRequest, NotFound
from server.store.tables import conversations
from server.wire.browser import Conversation


@dataclass(frozen=True, slots=True)
class Cursor:
    pinned: bool
    update_time: float
    id: str

    @classmethod
    def at(cls, conversation: Conversation) -> Cursor:
        return cls(conversation.pinned, conversation.update_time, conversation.id)

    def to_text(self, owner: str) -> str:
        values = [_mark(owner), self.pinned, self.update_time, self.id]
        return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")

    @classmethod
    def from_text(cls, owner: str, text: str) -> Cursor:
        """Raises `BadRequest`, and `NotFound` for one that somebody else was given."""
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (binascii.Error, ValueError, RecursionError) as error:
            raise _bad() from error
        if not isinstance(values, list) or len(values) != 4:
            raise _bad()
        mark, pinned, update_time, id = values
        if not (isinstance(pinned, bool) and _is_time(update_time) and isinstance(id, str)):
            raise _bad()
        if mark != _mark(owner):
            raise NotFound("There is no such page.", param="cursor")
        return cls(pinned, float(update_time), id)

    def after(self) -> ColumnElement[bool]:
        """What comes after it: pinned ones first, then the newest."""
        row = conversations.c
        same_pin = row.pinned.is_(self.pinned)
        older = row.update_time < self.update_time
        next_of_equals = and_(row.update_time == self.update_time, row.id > self.id)
        after = and_(same_pin, or_(older, next_of_equals))
        return or_(after, row.pinned.is_(False)) if self.pinned else after


def _is_time(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _mark(owner: str) -> str:
    """Tells owners apart, and gives no owner's name away."""
    return hashlib.sha256(owner.encode()).hexdigest()[:16]


def _bad() -> BadRequest:
    return BadRequest("The cursor is not one that was given out.", param="cursor")
