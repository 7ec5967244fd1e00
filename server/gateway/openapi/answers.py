"""The bodies of answers as schemas."""

from __future__ import annotations

from typing import Any, Final

from server.wire.lanes import LANES

Schema = dict[str, Any]


def _object(**fields: Schema) -> Schema:
    """With all of `fields`, and whatever else there may be one day."""
    return {"type": "object", "properties": fields, "required": list(fields)}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(name: str) -> Schema:
    return _object(object={"const": "list"}, data={"type": "array", "items": _ref(name)})


def _page_of(items: Schema) -> Schema:
    return _object(
        object={"const": "list"},
        data={"type": "array", "items": items},
        first_id=_TEXT,
        last_id=_TEXT,
        has_more={"type": "boolean"},
    )


def _gone(kind: str) -> Schema:
    return _object(id=_TEXT, object={"const": kind}, deleted={"const": True})


def _or_null(kind: str) -> Schema:
    return {"type": [kind, "null"]}


_TEXT: Final[Schema] = {"type": "string"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_SOME: Final[Schema] = {"type": ["integer", "null"], "minimum": 0}
_TEXTS: Final[Schema] = {"type": "array", "items": _TEXT}
_USAGE: Final = _object(prompt_tokens=_COUNT, total_tokens=_COUNT)
_ITEM: Final = _object(id=_TEXT, type=_TEXT, status=_TEXT)
_RESPONSE_USAGE: Final = _object(
    input_tokens=_COUNT,
    input_tokens_details=_object(cached_tokens=_COUNT),
    output_tokens=_COUNT,
    output_tokens_details=_object(reasoning_tokens=_COUNT),
    total_tokens=_COUNT,
)


def _answer(kind: str) -> Schema:
    return _object(
        id=_TEXT,
        object={"const": kind},
        created=_COUNT,
        model=_TEXT,
        choices={"type": "array", "items": _object(index=_COUNT, finish_reason=_TEXT)},
        usage=_USAGE,
    )


_KEPT_CHAT: Final = _answer("chat.completion")
_KEPT_CHAT["properties"]["metadata"] = {"type": "object"}
_KEPT_CHAT["required"] = ["id", "object", "created", "model", "choices", "metadata"]

ANSWERS: Final[dict[str, Schema]] = {
    "Refused": _object(
        error=_object(
            message=_TEXT,
            type=_TEXT,
            param=_or_null("string"),
            code=_or_null("string"),
            request_id=_TEXT,
        )
    ),
    "MessagesRefused": _object(
        type={"const": "error"},
        error=_object(type=_TEXT, message=_TEXT),
        request_id=_TEXT,
    ),
    "Health": {
        "type": "object",
        "properties": {"status": {"enum": ["ok", "degraded"]}, "missing": _TEXT},
        "required": ["status"],
    },
    "ChatAnswer": _answer("chat.completion"),
    "Completion": _answer("text_completion"),
    "Embeddings": _object(object={"const": "list"}, data={"type": "array"}, usage=_USAGE),
    "Reranking": _object(
        id=_TEXT,
        model=_TEXT,
        results={
            "type": "array",
            "items": _object(index=_COUNT, relevance_score={"type": "number"}),
        },
        usage=_USAGE,
    ),
    "Tokens": _object(count=_COUNT, tokens={"type": "array", "items": _COUNT}),
    "Detokenized": _object(prompt=_TEXT),
    "MessagesAnswer": _object(
        id=_TEXT,
        type={"const": "message"},
        role={"const": "assistant"},
        model=_TEXT,
        content={"type": "array", "items": _object(type=_TEXT)},
        stop_reason=_TEXT,
        stop_sequence=_or_null("string"),
        usage=_object(input_tokens=_COUNT, output_tokens=_COUNT),
    ),
    "InputTokens": _object(input_tokens=_COUNT),
    "Response": _object(
        id=_TEXT,
        object={"const": "response"},
        created_at=_COUNT,
        completed_at=_SOME,
        status={"enum": ["completed", "failed", "in_progress", "cancelled", "incomplete"]},
        background={"type": "boolean"},
        store={"type": "boolean"},
        error={"anyOf": [_object(code=_TEXT, message=_TEXT), {"type": "null"}]},
        incomplete_details={"anyOf": [_object(reason=_TEXT), {"type": "null"}]},
        model=_TEXT,
        output={"type": "array", "items": _ITEM},
        previous_response_id=_or_null("string"),
        conversation={"anyOf": [_object(id=_TEXT), {"type": "null"}]},
        usage={"anyOf": [_RESPONSE_USAGE, {"type": "null"}]},
        metadata={"type": "object"},
    ),
    "ResponseItems": _page_of(_ITEM),
    "ResponseGone": _gone("response"),
    "KeptChat": _KEPT_CHAT,
    "KeptChats": _page_of(_ref("KeptChat")),
    "ChatMessages": _page_of(
        _object(
            id=_TEXT,
            role=_TEXT,
            content=_or_null("string"),
            content_parts={"type": ["array", "null"]},
        )
    ),
    "ChatGone": _gone("chat.completion.deleted"),
    "Conversation": _object(
        id=_TEXT,
        object={"const": "conversation"},
        created_at=_COUNT,
        metadata={"type": "object"},
    ),
    "ConversationGone": _gone("conversation.deleted"),
    "ConversationItem": _object(id=_TEXT, type=_TEXT),
    "ConversationItems": _page_of(_ref("ConversationItem")),
    "Compacted": _object(
        id=_TEXT,
        object={"const": "response.compaction"},
        created_at=_COUNT,
        output={"type": "array", "items": _object(id=_TEXT, type=_TEXT)},
        usage=_RESPONSE_USAGE,
    ),
    "ResponseTokens": _object(object={"const": "response.input_tokens"}, input_tokens=_COUNT),
    "Model": _object(
        id=_TEXT,
        object={"const": "model"},
        created=_COUNT,
        owned_by=_TEXT,
        root=_TEXT,
        parent=_or_null("string"),
        context_length=_SOME,
        abilities=_TEXTS,
        state={"enum": ["ready", "loading", "asleep", "draining", "suspect"]},
    ),
    "Models": _list_of("Model"),
    "Key": _object(
        object={"const": "key"},
        id=_TEXT,
        name=_TEXT,
        shown=_TEXT,
        state={"enum": ["active", "expired", "revoked"]},
        models={"type": ["array", "null"], "items": _TEXT},
        requests_per_minute=_SOME,
        tokens_per_minute=_SOME,
        parallel=_SOME,
        tokens_per_day=_SOME,
        tokens_today=_SOME,
        lane={"enum": [*LANES, None]},
        admin={"type": "boolean"},
        created=_COUNT,
        expires=_SOME,
        revoked=_SOME,
    ),
    "MadeKey": {
        "allOf": [{"$ref": "#/components/schemas/Key"}, _object(key=_TEXT)],
        "description": "`key` is the key's text. It is shown this once.",
    },
    "Keys": _list_of("Key"),
    "Usage": _object(
        object={"const": "usage"},
        day=_TEXT | {"format": "date"},
        key=_TEXT,
        name=_TEXT,
        model=_TEXT,
        requests=_COUNT,
        failed=_COUNT,
        prompt_tokens=_COUNT,
        completion_tokens=_COUNT,
        assumed_tokens=_COUNT,
    ),
    "Usages": _list_of("Usage"),
    "Route": _object(
        name=_TEXT,
        to={"type": "array", "items": _object(model=_TEXT, weight={"type": "number"})},
        fallback=_TEXTS,
        set_by={"enum": ["config", "admin"]},
        missing=_TEXTS,
    ),
    "Routes": _list_of("Route"),
    "Server": _object(
        url=_TEXT,
        name=_TEXT,
        api_key_env={"type": ["string", "null"]},
        abilities=_TEXTS,
        slots=_COUNT,
        speed={"type": "number"},
        set_by={"enum": ["config", "admin"]},
        state={"enum": ["ready", "suspect", "draining", "absent"]},
        server=_TEXT,
        models=_TEXTS,
    ),
    "Servers": _list_of("Server"),
    "RouteGone": _object(name=_TEXT, deleted={"const": True}),
}
