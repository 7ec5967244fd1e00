"""`GET /openapi.json`: what the gateway understands, for programs that read it.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import orjson

from server.gateway.openapi.answers import ANSWERS
from server.gateway.openapi.kept import bodies
from server.gateway.openapi.operations import PATHS
from server.gateway.openapi.requests import SCHEMAS, requests

_API: Final = "v1"
"""Of the API, as in its paths: which release answers is nobody's business."""
_ABOUT: Final = (
    "OpenAI's API, with routes, lanes and deadlines of our own. What is not described here is "
    "passed on to the worker as it is: an upstream may understand more than our own engines do."
)


def document() -> dict[str, Any]:
    """The whole of it; nothing in it depends on the settings."""
    asked = requests()
    metadata = asked["ChatRequest"]["properties"]["metadata"]
    asked |= bodies(metadata, {"$ref": f"{SCHEMAS}InputItem"})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Shortline", "version": _API, "description": _ABOUT},
        "security": [{"key": []}, {"x_api_key": []}],
        "paths": PATHS,
        "components": {
            "schemas": asked | ANSWERS,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Needed once there is a key; below /admin an administrator's.",
                },
                "x_api_key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-api-key",
                    "description": "The same, where Anthropic's clients put it.",
                },
            },
        },
    }


@cache
def document_bytes() -> bytes:
    """As JSON; made when it is first asked for."""
    return orjson.dumps(document())
