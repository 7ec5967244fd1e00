"""One operation of the document: what it takes, and what it answers."""

from __future__ import annotations

from typing import Any, Final

from server.gateway.openapi.requests import SCHEMAS

Spec = dict[str, Any]

MAX_NAME_CHARS: Final = 200


def json_of(name: str) -> Spec:
    """Content that is the schema `name`."""
    return {"application/json": {"schema": {"$ref": SCHEMAS + name}}}


def operation(
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
        "content": json_of(refused),
    }
    found: Spec = {"summary": summary, "responses": responses}
    if takes is not None:
        found["requestBody"] = {"required": True, "content": json_of(takes)}
    if parameters:
        found["parameters"] = list(parameters)
    return found


def in_path(name: str) -> Spec:
    schema = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARS}
    return {"name": name, "in": "path", "required": True, "schema": schema}
