"""OpenAI's errors in Anthropic's words.

https://docs.anthropic.com/en/api/errors
"""

from __future__ import annotations

from typing import Any, Final

import orjson

_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_TYPES_IN_STREAM: Final = {
    "deadline_exceeded": "timeout_error",
    "invalid_api_key": "authentication_error",
    "overloaded": "overloaded_error",
    "unavailable": "overloaded_error",
    "upstream_timeout": "timeout_error",
}
"""By OpenAI's code: an error in a stream has no status."""
_KEPT_TYPES: Final = ("invalid_request_error", "rate_limit_error")
"""The two APIs have these names in common."""


def refusal(status: int, body: bytes, request_id: str) -> bytes:
    """An answer with an error's status; `body` should be OpenAI's envelope, and may be anything."""
    try:
        error = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        error = None
    if not isinstance(error, dict):
        error = {"message": error if isinstance(error, str) else f"It was answered with {status}."}
    kind = _TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")
    return orjson.dumps(_envelope(kind, error, request_id))


def failure(error: dict[str, Any], request_id: str) -> dict[str, Any]:
    """What ends a stream. `error`: what stands under that name in OpenAI's envelope."""
    kind = _TYPES_IN_STREAM.get(str(error.get("code")))
    if kind is None:
        kind = error["type"] if error.get("type") in _KEPT_TYPES else "api_error"
    return _envelope(kind, error, request_id)


def _envelope(kind: str, error: dict[str, Any], request_id: str) -> dict[str, Any]:
    """`details` hold what Anthropic's errors have no place for; its clients know `error_code`."""
    told: dict[str, Any] = {"type": kind, "message": str(error.get("message") or kind)}
    details = {"error_code": error.get("code"), "param": error.get("param")}
    if details["error_code"] or details["param"]:
        told["details"] = details
    return {"type": "error", "error": told, "request_id": request_id}
