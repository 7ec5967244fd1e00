"""Rows as the types of the wire, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy import ColumnElement, RowMapping, exists, literal_column, select

from server.store.tables import conversations, messages
from server.wire.browser import (
    Conversation,
    GenerationSettings,
    LeftOut,
    Message,
    Problem,
    Usage,
)

_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
IS_RUNNING: Final = exists().where(
    messages.c.conversation_id == conversations.c.id,
    # Written out, as an index of running messages serves no parameter.
    messages.c.status == literal_column("'running'"),
)
CONVERSATION: Final[Sequence[ColumnElement[Any]]] = (
    *(column for column in conversations.c if column.name != "owner"),
    IS_RUNNING.label("running"),
)
MESSAGE: Final[Sequence[ColumnElement[Any]]] = tuple(
    column for column in messages.c if column.name not in {"number", "owner", "key", "fingerprint"}
)
SELECT_CONVERSATION: Final = select(*CONVERSATION)
SELECT_MESSAGE: Final = select(*MESSAGE)


def storable(text: str) -> str:
    """`text` with U+FFFD for what a database cannot hold: NUL and halves of surrogate pairs.

    A model may say anything; what people send was checked before.
    """
    return _UNSTORABLE.sub("\ufffd", text)


def as_json(value: BaseModel | None) -> dict[str, Any] | None:
    """Only what differs from the defaults."""
    return None if value is None else value.model_dump(mode="json", exclude_defaults=True)


def to_conversation(row: RowMapping, excerpt: str | None = None) -> Conversation:
    values = dict(row)
    settings = GenerationSettings.model_validate(values.pop("settings"))
    return Conversation(**values, settings=settings, excerpt=excerpt)


def to_message(
    row: RowMapping, siblings: Iterable[str], versions: Iterable[Iterable[str]]
) -> Message:
    values = dict(row) | {
        "settings": GenerationSettings.model_validate(row["settings"]),
        "error": _read(Problem, row["error"]),
        "usage": _read(Usage, row["usage"]),
        "left_out": _read(LeftOut, row["left_out"]),
    }
    return Message(
        **values, siblings=tuple(siblings), versions=tuple(tuple(group) for group in versions)
    )


def _read(kind: type[BaseModel], value: dict[str, Any] | None) -> BaseModel | None:
    return None if value is None else kind.model_validate(value)
