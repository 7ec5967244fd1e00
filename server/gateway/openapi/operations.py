"""Which paths there are, what they take and what they answer."""

from __future__ import annotations

from typing import Final

from server.gateway.dialects.via import CHAT
from server.gateway.openapi import responses
from server.gateway.openapi.kept import KEPT_PATHS, LISTED_CHATS, page
from server.gateway.openapi.operation import Spec, in_path, json_of, operation
from server.ledger.usage import KEEP_DAYS
from server.wire.lanes import LANES
from server.wire.rerank import OTHER_PATHS, RERANK


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
_RESPONSE: Final = in_path("response_id")
_EVENTS: Final[Spec] = {"text/event-stream": {}}
"""A schema would be one of the whole stream, and nobody has that."""
_HEALTH: Final = json_of("Health")


def _relayed(summary: str, takes: str, answer: Spec, *, refused: str = "Refused") -> Spec:
    answers = {"200": answer}
    return {"post": operation(summary, answers, takes=takes, parameters=_WISHES, refused=refused)}


def _health(summary: str, *statuses: str) -> Spec:
    """Answered to everybody, before any check."""
    return {"get": operation(summary, dict.fromkeys(statuses, _HEALTH)) | {"security": []}}


_RERANKED: Final = _relayed("Sort documents by a query", "RerankRequest", json_of("Reranking"))
PATHS: Final[Spec] = {
    CHAT: {
        "get": LISTED_CHATS,
        **_relayed("Answer a chat", "ChatRequest", json_of("ChatAnswer") | _EVENTS),
    },
    **KEPT_PATHS,
    "/v1/completions": _relayed(
        "Go on with a text", "CompletionRequest", json_of("Completion") | _EVENTS
    ),
    "/v1/embeddings": _relayed(
        "Turn texts into vectors", "EmbeddingRequest", json_of("Embeddings")
    ),
    **dict.fromkeys((RERANK, *sorted(OTHER_PATHS)), _RERANKED),
    "/tokenize": _relayed(
        "Count the tokens of a chat or a prompt", "TokenizeRequest", json_of("Tokens")
    ),
    "/v1/messages": _relayed(
        "Answer a chat, in Anthropic's form",
        "MessagesRequest",
        json_of("MessagesAnswer") | _EVENTS,
        refused="MessagesRefused",
    ),
    "/v1/messages/count_tokens": _relayed(
        "Count the tokens of a chat, in Anthropic's form",
        "CountRequest",
        json_of("InputTokens"),
        refused="MessagesRefused",
    ),
    "/v1/responses": _relayed(
        "Make a response, as OpenAI's newer API has it; a GET that upgrades to a WebSocket makes "
        "one after the other",
        "ResponseWish",
        json_of("Response") | _EVENTS,
    ),
    "/v1/responses/input_tokens": _relayed(
        "Count the tokens of a response's input", "ResponseWish", json_of("ResponseTokens")
    ),
    "/v1/responses/compact": _relayed(
        "Make a conversation shorter", "ResponseWish", json_of("Compacted")
    ),
    "/v1/responses/{response_id}": {
        "get": operation(
            "Show a response as it is now, or the events of one in the background",
            {"200": json_of("Response") | _EVENTS},
            parameters=(_RESPONSE, *responses.stream()),
        ),
        "delete": operation(
            "Delete a response", {"200": json_of("ResponseGone")}, parameters=(_RESPONSE,)
        ),
    },
    "/v1/responses/{response_id}/cancel": {
        "post": operation(
            "Cancel a response that is made in the background",
            {"200": json_of("Response")},
            parameters=(_RESPONSE,),
        )
    },
    "/v1/responses/{response_id}/input_items": {
        "get": operation(
            "List the items of a response's input",
            {"200": json_of("ResponseItems")},
            parameters=(_RESPONSE, *page("desc")),
        )
    },
    "/detokenize": _relayed("Tell the text of tokens", "DetokenizeRequest", json_of("Detokenized")),
    "/v1/models": {"get": operation("List the models", {"200": json_of("Models")})},
    "/v1/models/{model}": {
        "get": operation("Show a model", {"200": json_of("Model")}, parameters=(in_path("model"),))
    },
    "/admin/keys": {
        "get": operation("List the keys", {"200": json_of("Keys")}),
        "post": operation("Make a key", {"201": json_of("MadeKey")}, takes="NewKey"),
    },
    "/admin/keys/{id}": {
        "delete": operation("Revoke a key", {"200": json_of("Key")}, parameters=(in_path("id"),))
    },
    "/admin/usage": {
        "get": operation(
            "Show the usage by key, model and day", {"200": json_of("Usages")}, parameters=(_DAYS,)
        )
    },
    "/admin/routes": {"get": operation("List the routes", {"200": json_of("Routes")})},
    "/admin/routes/{name}": {
        "put": operation(
            "Set a route",
            {"200": json_of("Route")},
            takes="RouteWish",
            parameters=(in_path("name"),),
        ),
        "delete": operation(
            "Delete a route", {"200": json_of("RouteGone")}, parameters=(in_path("name"),)
        ),
    },
    "/admin/servers": {
        "get": operation("List the joined servers", {"200": json_of("Servers")}),
        "post": operation("Join a server", {"201": json_of("Server")}, takes="JoinedServer"),
    },
    "/admin/servers/{name}": {
        "delete": operation(
            "Let a server leave", {"200": json_of("RouteGone")}, parameters=(in_path("name"),)
        )
    },
    "/metrics": {
        "get": operation(
            "Show the counts, for Prometheus",
            {"200": {"text/plain": {"schema": {"type": "string"}}}},
        )
    },
    "/livez": _health("Whether it runs", "200"),
    "/readyz": _health("Whether it can serve", "200", "503"),
    "/openapi.json": {
        "get": operation(
            "Show this document", {"200": {"application/json": {"schema": {"type": "object"}}}}
        )
    },
}
