"""The bodies of requests as schemas, made of the very models that read them."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from server.core.settings.route import RouteSettings
from server.core.settings.server import JoinedServer
from server.gateway.dialects.anthropic.request import CountRequest, MessagesRequest
from server.gateway.dialects.responses.wish import Wish
from server.gateway.openapi import responses
from server.ledger.new_key import MAX_MODEL_CHARS, MAX_NAME_CHARS, NewKey
from server.wire.openai import (
    MAX_BIASES,
    MAX_PARTS,
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
)
from server.wire.openai_inputs import MAX_PROMPT_TOKENS
from server.wire.rerank import RerankRequest

Schema = dict[str, Any]

SCHEMAS: Final = "#/components/schemas/"
_MODELS: Final[tuple[type[BaseModel], ...]] = (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    RerankRequest,
    MessagesRequest,
    CountRequest,
    Wish,
    NewKey,
    RouteSettings,
    JoinedServer,
)
_TEXT_PART: Final[Schema] = {
    "type": "object",
    "properties": {
        "type": {"enum": ["text", "input_text"]},
        "text": {"type": "string"},
    },
    "required": ["type", "text"],
}
_DOCUMENT: Final[Schema] = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
}


def requests() -> dict[str, Schema]:
    """By their names in the document."""
    _, found = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template=f"{SCHEMAS}{{model}}"
    )
    schemas: dict[str, Schema] = found["$defs"]
    for schema in schemas.values():
        _drop_titles(schema)
    _widen_messages(schemas)
    _widen_lists(schemas)
    _widen_blocks(schemas)
    schemas["TokenizeRequest"] = _tokenize_request(schemas)
    schemas["DetokenizeRequest"] = _detokenize_request(schemas)
    schemas["ResponseWish"] = responses.wish(schemas.pop("Wish"))
    schemas |= responses.ITEMS
    schemas.pop("Conversation")  # it is in the schema of the wish
    schemas["RouteWish"] = _route_wish(schemas.pop("RouteSettings"))
    _name_rules(schemas["NewKey"]["properties"])
    return schemas


def _drop_titles(schema: Schema) -> None:
    """Pydantic repeats each field's name in a title."""
    schema.pop("title", None)
    for field in schema.get("properties", {}).values():
        field.pop("title", None)


def _widen_messages(schemas: dict[str, Schema]) -> None:
    """A validator of `Message` also takes parts; null, or nothing, of the model's own alone."""
    message = schemas["Message"]
    fields = message["properties"]
    message["anyOf"] = [
        {"properties": {"role": {"const": "assistant"}}},
        {"properties": {"content": {"type": ["string", "array"]}}, "required": ["content"]},
    ]
    parts = {"type": "array", "items": _TEXT_PART, "maxItems": MAX_PARTS}
    fields["content"] = {"anyOf": [{"type": "string"}, parts, {"type": "null"}]}


def _widen_lists(schemas: dict[str, Schema]) -> None:
    """Validators take one thing as a list of one, and look at the keys of a bias."""
    for name, field in (("CompletionRequest", "prompt"), ("EmbeddingRequest", "input")):
        lists = schemas[name]["properties"][field]["oneOf"]
        ways = [*lists, *(many["items"] for many in lists)]
        schemas[name]["properties"][field] = {"anyOf": ways}
    schemas["CompletionRequest"]["properties"]["prompt"]["anyOf"].append({"type": "null"})
    documents = schemas["RerankRequest"]["properties"]["documents"]
    documents["items"] = {"anyOf": [documents["items"], _DOCUMENT]}
    for name in ("ChatRequest", "CompletionRequest"):
        fields = schemas[name]["properties"]
        stops, null = fields["stop"]["anyOf"]
        fields["stop"] = {"anyOf": [stops["items"], stops, null]}
        bias = fields["logit_bias"]["anyOf"][0]
        bias |= {"maxProperties": MAX_BIASES, "propertyNames": {"pattern": "^[0-9]{1,10}$"}}


def _widen_blocks(schemas: dict[str, Schema]) -> None:
    """In Anthropic's form, a validator takes one string for one block of text."""
    for name in ("UserTurn", "AssistantTurn", "SystemTurn", "ToolResult", "Written"):
        fields = schemas[name]["properties"]
        fields["content"] = {"anyOf": [{"type": "string"}, fields["content"]]}
    for name in ("MessagesRequest", "CountRequest"):
        schemas[name]["properties"]["system"]["anyOf"].append({"type": "string"})


def _tokenize_request(schemas: dict[str, Schema]) -> Schema:
    """The worker has a model for it, which is out of the gateway's reach."""
    chat = schemas["ChatRequest"]["properties"]
    return {
        "type": "object",
        "properties": {
            "model": chat["model"],
            "messages": chat["messages"],
            "tools": chat["tools"],
            "chat_template_kwargs": chat["chat_template_kwargs"],
            "prompt": {"type": "string"},
            "return_token_strs": {"type": ["boolean", "null"]},
        },
        "required": ["model"],
        "oneOf": [{"required": ["messages"]}, {"required": ["prompt"]}],
    }


def _detokenize_request(schemas: dict[str, Schema]) -> Schema:
    token = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
    tokens = {"type": "array", "items": token, "maxItems": MAX_PROMPT_TOKENS}
    return {
        "type": "object",
        "properties": {"model": schemas["ChatRequest"]["properties"]["model"], "tokens": tokens},
        "required": ["model", "tokens"],
    }


def _route_wish(route: Schema) -> Schema:
    """A route without its name, with the short ways of writing `to`."""
    to, fallback = route["properties"]["to"], route["properties"]["fallback"]
    name, members = fallback["items"], to["items"]
    many = to | {"items": {"anyOf": [name, members]}}
    return {
        "type": "object",
        "properties": {"to": {"anyOf": [name, many]}, "fallback": fallback},
        "required": ["to"],
        "additionalProperties": False,
    }


def _name_rules(fields: Schema) -> None:
    """What can be said here of the rules that a validator has for names."""
    fields["name"] |= {"minLength": 1, "maxLength": MAX_NAME_CHARS}
    models = fields["models"]["anyOf"][0]
    models["items"] |= {"minLength": 1, "maxLength": MAX_MODEL_CHARS}
