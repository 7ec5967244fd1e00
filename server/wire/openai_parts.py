"""The content of a message: a text, or parts of which only texts can be read."""

from __future__ import annotations

from typing import Any, Final

from server.wire.openai_faults import fault

MAX_PARTS: Final = 1024
_TEXTS: Final = {"text": "text", "input_text": "text", "refusal": "refusal"}
"""Types of parts that hold a text, and the field that it stands in."""
_NO_TEXT: Final = "this model reads text only; a part of type {!r} is not text"


def text_in(content: Any) -> Any:
    """Text parts joined; None, as in a message that only calls tools, is empty.

    Anything else comes back as it is. Raises a fault that names the first part that is no text.
    """
    if content is None:
        return ""
    if not isinstance(content, list):
        return content
    if len(content) > MAX_PARTS:
        raise fault(f"a message may have at most {MAX_PARTS} parts")
    return "".join(_text_of(part, at) for at, part in enumerate(content))


def _text_of(part: Any, at: int) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    field = _TEXTS.get(kind) if isinstance(kind, str) else None
    if field is None:
        raise fault(_NO_TEXT.format(str(kind)[:40]), f"[{at}]")
    text = part.get(field)
    if not isinstance(text, str):
        raise fault(f"it must be a string in a part of type {kind!r}", f"[{at}].{field}")
    return text
