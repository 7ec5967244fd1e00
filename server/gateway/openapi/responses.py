"""OpenAI's Responses as schemas: what `items.py`, `tools.py` and `listing.py` read by hand."""

from __future__ import annotations

import re
from typing import Any, Final

from server.gateway.dialects.responses.compacting import COMPACTION, MARK
from server.gateway.dialects.responses.following import MAX_DIGITS
from server.gateway.dialects.responses.items import (
    DETAILS,
    MAX_ID_CHARS,
    REFERENCE,
    ROLES,
    STATUSES,
)
from server.gateway.dialects.responses.tools import CHOICES, MAX_TOOLS
from server.gateway.dialects.responses.wish import INCLUDABLE, NOT_FOLLOWED
from server.wire.openai import MAX_MESSAGES, MAX_PARTS

Schema = dict[str, Any]

_SCHEMAS: Final = "#/components/schemas/"
_TEXT: Final[Schema] = {"type": "string"}
_NULL: Final[Schema] = {"type": "null"}
_ID: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARS}
_OWN_ID: Final[Schema] = {"type": ["string", "null"], "minLength": 1, "maxLength": MAX_ID_CHARS}
_STATUS: Final[Schema] = {"enum": [*STATUSES, None]}


def _tagged(kind: str | list[str], needed: Schema, may: Schema | None = None) -> Schema:
    """An object whose `type` is `kind`, or one of it."""
    tag: Schema = {"enum": kind} if isinstance(kind, list) else {"const": kind}
    return {
        "type": "object",
        "properties": {"type": tag} | needed | (may or {}),
        "required": ["type", *needed],
    }


def _item(kind: str, needed: Schema, may: Schema | None = None) -> Schema:
    return _tagged(kind, needed, {"id": _OWN_ID, "status": _STATUS} | (may or {}))


def _parts(*kinds: Schema) -> Schema:
    return {"type": "array", "items": {"anyOf": list(kinds)}, "maxItems": MAX_PARTS}


_ASKED: Final = _tagged(["input_text", "output_text", "text"], {"text": _TEXT})
_IMAGE: Final = _tagged(
    "input_image", {"image_url": _TEXT}, {"detail": {"enum": [*DETAILS, None]}, "file_id": _NULL}
)
_FILE: Final = _tagged(
    "input_file",
    {"file_data": _TEXT},
    {"filename": _OWN_ID, "file_id": _NULL, "file_url": _NULL},
)
_REFUSAL: Final = _tagged("refusal", {"refusal": _TEXT})
_HEARD: Final[Schema] = {"anyOf": [_TEXT, _parts(_ASKED, _IMAGE, _FILE)]}
_SAID: Final[Schema] = {"anyOf": [_TEXT, _parts(_ASKED, _REFUSAL)]}
_THOUGHTS: Final[Schema] = {
    "anyOf": [
        _parts({"type": "object", "properties": {"text": _TEXT}, "required": ["text"]}),
        _NULL,
    ]
}


def _message(roles: list[str], content: Schema) -> Schema:
    """It alone needs no `type`."""
    needed = {"role": {"enum": roles}, "content": content}
    message = _item("message", needed)
    message["properties"]["type"] = {"enum": ["message", None]}
    message["required"] = list(needed)
    return message


ITEMS: Final[dict[str, Schema]] = {
    "InputItem": {
        "anyOf": [
            _message([role for role in ROLES if role != "assistant"], _HEARD),
            _message(["assistant"], _SAID),
            _item("function_call", {"call_id": _ID, "name": _ID, "arguments": _TEXT}),
            _item("function_call_output", {"call_id": _ID, "output": _HEARD}),
            _item("reasoning", {}, {"summary": _THOUGHTS, "content": _THOUGHTS}),
            _tagged(REFERENCE, {"id": _ID}),
            _tagged(
                COMPACTION,
                {"encrypted_content": {"type": "string", "pattern": f"^{re.escape(MARK)}"}},
                {"id": _OWN_ID},
            ),
        ]
    },
}


def wish(read: Schema) -> Schema:
    """The body of `POST /v1/responses`; `read`: what a model reads of it."""
    items = {"$ref": f"{_SCHEMAS}InputItem"}
    fields = read["properties"]
    fields["input"] = {
        "anyOf": [
            _TEXT,
            {"type": "array", "items": items, "minItems": 1, "maxItems": MAX_MESSAGES},
        ]
    }
    fields["tool_choice"] = {
        "anyOf": [{"enum": [*CHOICES, None]}, _named_tool(), _allowed_tools()],
        "description": "What it names is among the tools.",
    }
    fields["include"]["anyOf"][0]["items"] = {"enum": sorted(INCLUDABLE)}
    fields |= dict.fromkeys(NOT_FOLLOWED, _NULL)
    named = {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARS}
    conversation: Schema = {
        "anyOf": [
            named,
            {"type": "object", "properties": {"id": named}, "required": ["id"]},
        ]
    }
    fields["conversation"] = {"anyOf": [conversation, _NULL]}
    goes_on = {"properties": {"conversation": conversation}, "required": ["conversation"]}
    follows = {"properties": {"previous_response_id": _TEXT}, "required": ["previous_response_id"]}
    return {
        "type": "object",
        "properties": fields,
        "required": ["model"],
        "anyOf": [{"required": ["input"]}, goes_on],
        "not": {"allOf": [goes_on, follows]},
        "description": "A response in the background is stored. `input` begins with no output of "
        "a tool whose call is not there, or in what was said before it.",
    }


def stream() -> tuple[Schema, ...]:
    """The query of one response that is wanted as its events."""
    schemas = {
        "stream": {"type": "boolean", "default": False},
        "starting_after": {"type": "integer", "minimum": 0, "maximum": 10**MAX_DIGITS - 1},
    }
    return tuple({"name": name, "in": "query", "schema": s} for name, s in schemas.items())


def _named_tool() -> Schema:
    return _tagged("function", {"name": _ID})


def _allowed_tools() -> Schema:
    tools = {"type": "array", "items": _named_tool(), "minItems": 1, "maxItems": MAX_TOOLS}
    return _tagged("allowed_tools", {"mode": {"enum": ["auto", "required"]}, "tools": tools})
