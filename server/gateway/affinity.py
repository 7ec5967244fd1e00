"""What makes two requests belong together, so that one worker should get both."""

from __future__ import annotations

from typing import Any, Literal

import orjson

from server.web.asgi import Scope, header

Affinity = Literal["none", "session", "prefix"]
SESSION_HEADER = b"x-session-id"
_SESSION_FIELDS = ("prompt_cache_key", "user")
"""OpenAI's own words for it."""
PREFIX_BYTES = 1024
"""Prompts that begin with so much of the same share a worker."""


def affinity_key(affinity: Affinity, scope: Scope, fields: dict[str, Any]) -> bytes | None:
    """None: any worker will do."""
    if affinity == "none":
        return None
    return _session(scope, fields) if affinity == "session" else _prefix(fields)


def _session(scope: Scope, fields: dict[str, Any]) -> bytes | None:
    said = header(scope, SESSION_HEADER)
    if said:
        return said
    for name in _SESSION_FIELDS:
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value.encode()
    return None


def _prefix(fields: dict[str, Any]) -> bytes | None:
    """Of the first two messages (what a conversation keeps), or of the prompt."""
    messages = fields.get("messages")
    if isinstance(messages, list) and messages:
        try:
            return orjson.dumps(messages[:2])[:PREFIX_BYTES]
        except orjson.JSONEncodeError:  # an integer beyond 64 bits: the worker will refuse it
            return None
    prompt = fields.get("prompt")
    return prompt[:PREFIX_BYTES].encode() if isinstance(prompt, str) and prompt else None
