"""The items of an input, as they are listed again: every field there, and an id for each.

A string is one message. Messages may be long lists of parts; calls of functions and their outputs
stand beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from server.core.errors import BadRequest
from server.gateway.dialects.responses.compacting import COMPACTION, unsealed
from server.gateway.dialects.values import Json
from server.wire.openai import MAX_MESSAGES, MAX_PARTS
from server.wire.openai_refusals import bad, missing

MAX_ID_CHARS: Final = 200
REFERENCE: Final = "item_reference"
ROLES: Final = ("user", "assistant", "system", "developer")
STATUSES: Final = ("in_progress", "completed", "incomplete")
DETAILS: Final = ("low", "high", "auto", "original")
_NO_FILES: Final = "files are not kept here; send the data itself"


def read_input(given: Any, of: str) -> list[Json]:
    """The items of `given`. `of`: what the ids of those without one are made of.

    A reference stands for an item that was made here; it stays one. Raises `BadRequest` that names
    the place.
    """
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    elif given is not None and not isinstance(given, list):
        raise bad("input", "it must be a string, or a list of items")
    return read_items(given, of, "input", MAX_MESSAGES)


def read_items(given: Any, of: str, called: str, most: int) -> list[Json]:
    """The same of a list, which is the field `called` and has at most so many."""
    if given is None:
        raise missing(called)
    if not isinstance(given, list) or not given:
        raise bad(called, "it must be a list of items that is not empty")
    if len(given) > most:
        raise bad(called, f"it may have at most {most} items")
    return [_item(item, f"{called}[{at}]", f"{of}_i{at}") for at, item in enumerate(given)]


def _item(item: Any, at: str, id_end: str) -> Json:
    if not isinstance(item, dict):
        raise bad(at, "an item is an object")
    kind = item.get("type")
    if kind is None:
        kind = "message" if "role" in item else REFERENCE
    read = _READ.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise BadRequest(
            f"Invalid value for '{at}.type': items of type {str(kind)[:40]!r} mean nothing here.",
            param=f"{at}.type",
            code="unsupported_item",
        )
    prefix, make = read
    own = _optional(item, "id", at, f"{prefix}_{id_end}")
    return {"id": own, "type": kind, **make(item, at)}


def _message(item: Json, at: str) -> Json:
    role = item.get("role")
    if role not in ROLES:
        raise bad(f"{at}.role", f"it must be one of {', '.join(ROLES)}")
    said = role == "assistant"
    content = _content(item.get("content"), f"{at}.content", "output_text" if said else None)
    return {"role": role, "status": _status(item, at), "content": content}


def _function_call(item: Json, at: str) -> Json:
    return {
        "call_id": _text(item, "call_id", at, MAX_ID_CHARS),
        "name": _text(item, "name", at, MAX_ID_CHARS),
        "arguments": _text(item, "arguments", at),
        "status": _status(item, at),
    }


def _function_call_output(item: Json, at: str) -> Json:
    output = item.get("output")
    if not isinstance(output, str):
        output = _content(output, f"{at}.output", None)
    return {
        "call_id": _text(item, "call_id", at, MAX_ID_CHARS),
        "output": output,
        "status": _status(item, at),
    }


def _reasoning(item: Json, at: str) -> Json:
    """What a model thought before; it is listed, and told to no model again."""
    summary = _texts(item.get("summary"), f"{at}.summary", "summary_text")
    content = _texts(item.get("content"), f"{at}.content", "reasoning_text")
    return {"summary": summary, "content": content, "status": _status(item, at)}


def _compaction(item: Json, at: str) -> Json:
    content = _text(item, "encrypted_content", at)
    try:
        unsealed(content)
    except ValueError as error:
        raise bad(f"{at}.encrypted_content", str(error)) from None
    return {"encrypted_content": content}


def _reference(item: Json, at: str) -> Json:
    _text(item, "id", at, MAX_ID_CHARS)
    return {}


def _content(given: Any, at: str, bare: str | None) -> list[Json]:
    """`bare`: the type of a string that stands for a list of one part."""
    if isinstance(given, str):
        return [_said(given) if bare else {"type": "input_text", "text": given}]
    if not isinstance(given, list):
        raise bad(at, "it must be a string, or a list of parts")
    if len(given) > MAX_PARTS:
        raise bad(at, f"it may have at most {MAX_PARTS} parts")
    return [_part(part, f"{at}[{number}]", bare) for number, part in enumerate(given)]


def _part(part: Any, at: str, bare: str | None) -> Json:
    kind = part.get("type") if isinstance(part, dict) else None
    if bare and kind in ("output_text", "input_text", "text"):
        return _said(_text(part, "text", at))
    if bare and kind == "refusal":
        return {"type": "refusal", "refusal": _text(part, "refusal", at)}
    if not bare and kind in ("input_text", "output_text", "text"):
        return {"type": "input_text", "text": _text(part, "text", at)}
    if not bare and kind == "input_image":
        return _image(part, at)
    if not bare and kind == "input_file":
        return _file(part, at)
    wanted = "output_text or refusal" if bare else "input_text, input_image or input_file"
    raise bad(f"{at}.type", f"a part here is {wanted}")


def _said(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _image(part: Json, at: str) -> Json:
    if part.get("file_id") is not None:
        raise bad(f"{at}.file_id", _NO_FILES)
    detail = "auto" if part.get("detail") is None else part["detail"]
    if detail not in DETAILS:
        raise bad(f"{at}.detail", f"it must be one of {', '.join(DETAILS)}")
    url = part.get("image_url")
    url = url.get("url") if isinstance(url, dict) else url  # as chats have it
    url = _text({"image_url": url}, "image_url", at)
    return {"type": "input_image", "image_url": url, "detail": detail, "file_id": None}


def _file(part: Json, at: str) -> Json:
    for name in ("file_id", "file_url"):
        if part.get(name) is not None:
            raise bad(f"{at}.{name}", _NO_FILES)
    data = _text(part, "file_data", at)
    return {"type": "input_file", "file_data": data, "filename": _optional(part, "filename", at)}


def _texts(given: Any, at: str, kind: str) -> list[Json]:
    if given is None:
        return []
    if not isinstance(given, list) or len(given) > MAX_PARTS:
        raise bad(at, f"it must be a list of at most {MAX_PARTS} parts")
    found = []
    for number, part in enumerate(given):
        if not isinstance(part, dict):
            raise bad(f"{at}[{number}]", "a part is an object")
        found.append({"type": kind, "text": _text(part, "text", f"{at}[{number}]")})
    return found


def _status(item: Json, at: str) -> str:
    status = "completed" if item.get("status") is None else item["status"]
    if status not in STATUSES:
        raise bad(f"{at}.status", f"it must be one of {', '.join(STATUSES)}")
    return str(status)


def _text(holder: Json, name: str, at: str, most: int | None = None) -> str:
    value = holder.get(name)
    if value is None:
        raise missing(f"{at}.{name}")
    if not isinstance(value, str):
        raise bad(f"{at}.{name}", "it must be a string")
    if most is not None and not 0 < len(value) <= most:
        raise bad(f"{at}.{name}", f"it has 1 to {most} characters")
    return value


def _optional(holder: Json, name: str, at: str, default: str | None = None) -> str | None:
    if holder.get(name) is None:
        return default
    return _text(holder, name, at, MAX_ID_CHARS)


_READ: Final[dict[str, tuple[str, Callable[[Json, str], Json]]]] = {
    "message": ("msg", _message),
    "function_call": ("fc", _function_call),
    "function_call_output": ("fco", _function_call_output),
    "reasoning": ("rs", _reasoning),
    COMPACTION: ("cmp", _compaction),
    REFERENCE: ("ref", _reference),
}
"""What the id of an item begins with, and how it is read."""
