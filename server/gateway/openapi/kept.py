"""What is kept and asked for again: chats and conversations."""

from __future__ import annotations

from typing import Any, Final

from server.gateway.dialects.conversations.conversations import CONVERSATIONS, MOST_AT_ONCE
from server.gateway.dialects.kept.listing import MOST, USUAL
from server.gateway.dialects.via import CHAT
from server.gateway.openapi.operation import Spec, in_path, json_of, operation
from server.wire.openai import MAX_METADATA

_CHAT: Final = in_path("completion_id")
_CONVERSATION: Final = in_path("conversation_id")
_ITEM: Final = in_path("item_id")
_LABELS: Final = "NewMetadata"


def _query(name: str, schema: Spec) -> Spec:
    return {"name": name, "in": "query", "schema": schema}


def page(usual: str) -> tuple[Spec, ...]:
    """The query of a list. `usual`: its order where that is not said."""
    limit = {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}
    order = {"enum": ["asc", "desc"], "default": usual}
    return (
        _query("limit", limit),
        _query("order", order),
        _query("after", {"type": "string"}),
    )


_WHICH: Final[tuple[Spec, ...]] = (
    _query("model", {"type": "string"}),
    _query("metadata", {"type": "object", "additionalProperties": {"type": "string"}})
    | {"style": "deepObject", "explode": True},
)
LISTED_CHATS: Final = operation(
    "List the chats that were kept",
    {"200": json_of("KeptChats")},
    parameters=(*page("asc"), *_WHICH),
)
KEPT_PATHS: Final[Spec] = {
    f"{CHAT}/{{completion_id}}": {
        "get": operation(
            "Show a chat that was kept", {"200": json_of("KeptChat")}, parameters=(_CHAT,)
        ),
        "post": operation(
            "Change the metadata of a chat",
            {"200": json_of("KeptChat")},
            takes=_LABELS,
            parameters=(_CHAT,),
        ),
        "delete": operation("Delete a chat", {"200": json_of("ChatGone")}, parameters=(_CHAT,)),
    },
    f"{CHAT}/{{completion_id}}/messages": {
        "get": operation(
            "List the messages of a chat's request",
            {"200": json_of("ChatMessages")},
            parameters=(_CHAT, *page("asc")),
        )
    },
    CONVERSATIONS: {
        "post": operation(
            "Begin a conversation", {"200": json_of("Conversation")}, takes="NewConversation"
        )
    },
    f"{CONVERSATIONS}/{{conversation_id}}": {
        "get": operation(
            "Show a conversation", {"200": json_of("Conversation")}, parameters=(_CONVERSATION,)
        ),
        "post": operation(
            "Change the metadata of a conversation",
            {"200": json_of("Conversation")},
            takes=_LABELS,
            parameters=(_CONVERSATION,),
        ),
        "delete": operation(
            "Delete a conversation and its items",
            {"200": json_of("ConversationGone")},
            parameters=(_CONVERSATION,),
        ),
    },
    f"{CONVERSATIONS}/{{conversation_id}}/items": {
        "get": operation(
            "List the items of a conversation",
            {"200": json_of("ConversationItems")},
            parameters=(_CONVERSATION, *page("desc")),
        ),
        "post": operation(
            "Add items to a conversation",
            {"200": json_of("ConversationItems")},
            takes="NewItems",
            parameters=(_CONVERSATION,),
        ),
    },
    f"{CONVERSATIONS}/{{conversation_id}}/items/{{item_id}}": {
        "get": operation(
            "Show an item of a conversation",
            {"200": json_of("ConversationItem")},
            parameters=(_CONVERSATION, _ITEM),
        ),
        "delete": operation(
            "Delete an item of a conversation",
            {"200": json_of("Conversation")},
            parameters=(_CONVERSATION, _ITEM),
        ),
    },
}


def bodies(metadata: dict[str, Any], item: dict[str, Any]) -> dict[str, Spec]:
    """Of requests, by their names. `metadata`, `item`: schemas of what is in them."""
    metadata["anyOf"][0]["maxProperties"] = MAX_METADATA
    items = {"type": "array", "items": item, "maxItems": MOST_AT_ONCE}
    some = {"anyOf": [items, {"type": "null"}]}
    return {
        _LABELS: {
            "type": "object",
            "properties": {"metadata": metadata},
            "required": ["metadata"],
        },
        "NewConversation": {"type": "object", "properties": {"metadata": metadata, "items": some}},
        "NewItems": {
            "type": "object",
            "properties": {"items": items | {"minItems": 1}},
            "required": ["items"],
        },
    }
