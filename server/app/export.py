"""A conversation as a file to keep."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import quote

import orjson

from server.wire.browser import Conversation, Message

FORMAT = "shortline-conversation"
VERSION = 1
MAX_FILE_NAME_CHARS = 80
_NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*]')
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Windows takes a file with such a name for a machine's part."""


def write_json(conversation: Conversation, messages: Iterable[Message], now: float) -> bytes:
    """Everything: all branches, oldest message first. `now`: seconds since 1970."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "export_time": now,
        "conversation": conversation.model_dump(exclude={"excerpt", "running"}),
        "messages": [message.model_dump() for message in messages],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def write_markdown(conversation: Conversation, branch: Iterable[Message]) -> bytes:
    title = _one_line(conversation.name) or "Conversation"
    parts = [f"# {title}", *(_exchange(message) for message in branch)]
    return ("\n\n".join(parts) + "\n").encode()


def as_attachment(name: str) -> str:
    """The value of `Content-Disposition`.

    Source: https://www.rfc-editor.org/rfc/rfc6266#section-4.3
    """
    safe = safe_name(name)
    plain = re.sub(r"[^A-Za-z0-9 ._-]", "_", safe)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


def safe_name(name: str) -> str:
    """A file name that is one on every system; the part after the last dot stays."""
    stem, _, suffix = name.rpartition(".")
    shown = "".join(c for c in stem if unicodedata.category(c)[0] not in "CZ" or c == " ")
    clean = _NOT_IN_NAMES.sub("_", shown).strip(" .-")[:MAX_FILE_NAME_CHARS].strip(" .")
    if not clean or _DEVICE.match(clean):
        clean = f"conversation {clean}".strip()
    return f"{clean}.{suffix}"


def _exchange(message: Message) -> str:
    asked = datetime.fromtimestamp(message.create_time, UTC).strftime("%Y-%m-%d %H:%M UTC")
    parts = [f"## Question\n\n{message.query}"] if message.query else []
    by = " · ".join(part for part in (_one_line(message.model), asked) if part)
    parts.append(f"## Answer\n\n*{by}*\n\n{message.response}".rstrip())
    if message.status in ("interrupted", "failed", "stopped"):
        why = f": {_one_line(message.error.message)}" if message.error else ""
        parts.append(f"*({message.status}{why})*")
    return "\n\n".join(parts)


def _one_line(text: str) -> str:
    return " ".join(text.split())
