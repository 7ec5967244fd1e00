"""From OpenAI's `response_format` to the form that a text has to have."""

from __future__ import annotations

from server.wire.openai import GenerationRequest
from server.worker.asked import JsonObject, JsonSchema
from server.worker.closed import closed


def text_form(request: GenerationRequest) -> JsonObject | JsonSchema | None:
    wish = request.response_format
    if wish is None or wish.type == "text":
        return None
    named = wish.json_schema
    if wish.type == "json_object" or named is None or named.json_schema is None:
        return JsonObject()
    return JsonSchema(closed(named.json_schema), strict=bool(named.strict))
