"""Which paths there are, what they take and what they answer."""

from __future__ import annotations

from typing import Any, Final

from server.gateway.openapi import responses
from server.gateway.openapi.requests import SCHEMAS
from server.ledger.usage import KEEP_DAYS
from server.wire.lanes import LANES
from server.wire.rerank import OTHER_PATHS, RERANK

Spec = dict[str, Any]

MAX_NAME_CHARS: Final = 200


def _json(name: str) -> Spec:
    return {"application/json": {"schema": {"$ref": SCHEMAS + name}}}


def _operation(
    summary: str,
    answers: dict[str, Spec],
    *,
    takes: str | None = None,
    parameters: tuple[Spec, ...] = (),
    refused: str = "Refused",
) -> Spec:
    """`answers`: by status, the content; `takes`: the schema of its body; `refused`: of an
    error."""
    responses: Spec = {
        status: {"description": "What was asked for.", "content": content}
        for status, content in answers.items()
    }
    responses["default"] = {
        "description": "Refused: nothing has changed. 429 and 503 say when to come back.",
        "headers": {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}},
        "content": _json(refused),
    }
    operation: Spec = {"summary": summary, "responses": responses}
    if takes is not None:
        operation["requestBody"] = {"required": True, "content": _json(takes)}
    if parameters:
        operation["parameters"] = list(parameters)
    return operation


def _in_path(name: str) -> Spec:
    schema = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARS}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _in_header(name: str, about: str, schema: Spec) -> Spec:
    return {"name": name, "in": "header", "description": about, "schema": schema}


_WISHES: Final = (
    _in_header("X-Priority", "How long it can wait: its lane.", {"enum": list(LANES)}),
    _in_header(
        "X-Request-Timeout",
        "Seconds after which nobody needs the answer any more.",
        {"type": "number", "minimum": 0.001, "maximum": 600},
    ),
)
_DAYS: Final[Spec] = {
    "name": "days",
    "in": "query",
    "description": "Today and so many days before, less one.",
    "schema": {"type": "integer", "minimum": 1, "maximum": KEEP_DAYS, "default": 7},
}
_RESPONSE: Final = _in_path("response_id")
_EVENTS: Final[Spec] = {"text/event-stream": {}}
"""A schema would be one of the whole stream, and nobody has that."""
_HEALTH: Final = _json("Health")


def _relayed(summary: str, takes: str, answer: Spec, *, refused: str = "Refused") -> Spec:
    answers = {"200": answer}
    return {"post": _operation(summary, answers, takes=takes, parameters=_WISHES, refused=refused)}


def _health(summary: str, *statuses: str) -> Spec:
    """Answered to everybody, before any check."""
    operation = _operation(summary, dict.fromkeys(statuses, _HEALTH))
    return {"get": operation | {"security": []}}


_RERANKED: Final = _relayed("Sort documents by a query", "RerankRequest", _json("Reranking"))
PATHS: Final[Spec] = {
    "/v1/chat/completions": _relayed("Answer a chat", "ChatRequest", _json("ChatAnswer") | _EVENTS),
    "/v1/completions": _relayed(
        "Go on with a text", "CompletionRequest", _json("Completion") | _EVENTS
    ),
    "/v1/embeddings": _relayed("Turn texts into vectors", "EmbeddingRequest", _json("Embeddings")),
    **dict.fromkeys((RERANK, *sorted(OTHER_PATHS)), _RERANKED),
    "/tokenize": _relayed(
        "Count the tokens of a chat or a prompt", "TokenizeRequest", _json("Tokens")
    ),
    "/v1/messages": _relayed(
        "Answer a chat, in Anthropic's form",
        "MessagesRequest",
        _json("MessagesAnswer") | _EVENTS,
        refused="MessagesRefused",
    ),
    "/v1/messages/count_tokens": _relayed(
        "Count the tokens of a chat, in Anthropic's form",
        "CountRequest",
        _json("InputTokens"),
        refused="MessagesRefused",
    ),
    "/v1/responses": _relayed(
        "Make a response, as OpenAI's newer API has it",
        "ResponseWish",
        _json("Response") | _EVENTS,
    ),
    "/v1/responses/input_tokens": _relayed(
        "Count the tokens of a response's input", "ResponseWish", _json("ResponseTokens")
    ),
    "/v1/responses/compact": _relayed(
        "Make a conversation shorter", "ResponseWish", _json("Compacted")
    ),
    "/v1/responses/{response_id}": {
        "get": _operation(
            "Show a response as it is now, or the events of one in the background",
            {"200": _json("Response") | _EVENTS},
            parameters=(_RESPONSE, *responses.stream()),
        ),
        "delete": _operation(
            "Delete a response", {"200": _json("ResponseGone")}, parameters=(_RESPONSE,)
        ),
    },
    "/v1/responses/{response_id}/cancel": {
        "post": _operation(
            "Cancel a response that is made in the background",
            {"200": _json("Response")},
            parameters=(_RESPONSE,),
        )
    },
    "/v1/responses/{response_id}/input_items": {
        "get": _operation(
            "List the items of a response's input",
            {"200": _json("ResponseItems")},
            parameters=(_RESPONSE, *responses.page()),
        )
    },
    "/detokenize": _relayed("Tell the text of tokens", "DetokenizeRequest", _json("Detokenized")),
    "/v1/models": {"get": _operation("List the models", {"200": _json("Models")})},
    "/v1/models/{model}": {
        "get": _operation("Show a model", {"200": _json("Model")}, parameters=(_in_path("model"),))
    },
    "/admin/keys": {
        "get": _operation("List the keys", {"200": _json("Keys")}),
        "post": _operation("Make a key", {"201": _json("MadeKey")}, takes="NewKey"),
    },
    "/admin/keys/{id}": {
        "delete": _operation("Revoke a key", {"200": _json("Key")}, parameters=(_in_path("id"),))
    },
    "/admin/usage": {
        "get": _operation(
            "Show the usage by key, model and day", {"200": _json("Usages")}, parameters=(_DAYS,)
        )
    },
    "/admin/routes": {"get": _operation("List the routes", {"200": _json("Routes")})},
    "/admin/routes/{name}": {
        "put": _operation(
            "Set a route",
            {"200": _json("Route")},
            takes="RouteWish",
            parameters=(_in_path("name"),),
        ),
        "delete": _operation(
            "Delete a route", {"200": _json("RouteGone")}, parameters=(_in_path("name"),)
        ),
    },
    "/admin/servers": {
        "get": _operation("List the joined servers", {"200": _json("Servers")}),
        "post": _operation("Join a server", {"201": _json("Server")}, takes="JoinedServer"),
    },
    "/admin/servers/{name}": {
        "delete": _operation(
            "Let a server leave", {"200": _json("RouteGone")}, parameters=(_in_path("name"),)
        )
    },
    "/metrics": {
        "get": _operation(
            "Show the counts, for Prometheus",
            {"200": {"text/plain": {"schema": {"type": "string"}}}},
        )
    },
    "/livez": _health("Whether it runs", "200"),
    "/readyz": _health("Whether it can serve", "200", "503"),
    "/openapi.json": {
        "get": _operation(
            "Show this document", {"200": {"application/json": {"schema": {"type": "object"}}}}
        )
    },
}
