"""The response itself, as clients are told of it: every field of OpenAI's schema, in any state."""

from __future__ import annotations

from typing import Any, Final, Literal

from server.gateway.dialects.responses.wish import Wish
from server.gateway.dialects.values import Json

Status = Literal["in_progress", "completed", "incomplete", "failed", "cancelled"]
_RATE_CODES: Final = frozenset({"rate_limit_exceeded", "overloaded", "insufficient_quota"})
_TIERS: Final = frozenset({"default", "flex", "scale", "priority", "fast", "ultrafast"})


def begun(wish: Wish, choice: Any, id: str, created: int) -> Json:
    """As it is while nothing has been said. `choice`: the `tool_choice`, checked."""
    text, reasoning = wish.text, wish.reasoning
    return {
        "id": id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": bool(wish.background),
        "completed_at": None,
        "conversation": {"id": wish.conversation_id} if wish.conversation_id else None,
        "error": None,
        "incomplete_details": None,
        "instructions": wish.instructions,
        "max_output_tokens": wish.max_output_tokens,
        "max_tool_calls": wish.max_tool_calls,
        "model": wish.model,
        "output": [],
        "parallel_tool_calls": wish.parallel_tool_calls is not False,
        "previous_response_id": wish.previous_response_id,
        "prompt_cache_key": wish.prompt_cache_key,
        "reasoning": {
            "effort": reasoning.effort if reasoning else None,
            "summary": reasoning.summary if reasoning else None,
        },
        "safety_identifier": wish.safety_identifier,
        "service_tier": _tier(wish.service_tier),
        "store": wish.stores,
        "temperature": _or(wish.temperature, 1.0),
        "text": {
            "format": wish.format.model_dump(by_alias=True, exclude_none=True),
            "verbosity": (text.verbosity if text else None) or "medium",
        },
        "tool_choice": choice,
        "tools": [tool.model_dump() for tool in wish.tools or ()],
        "top_logprobs": wish.top_logprobs or 0,
        "top_p": _or(wish.top_p, 1.0),
        "presence_penalty": _or(wish.presence_penalty, 0.0),
        "frequency_penalty": _or(wish.frequency_penalty, 0.0),
        "truncation": wish.truncation or "disabled",
        "usage": None,
        "user": wish.user,
        "metadata": wish.metadata or {},
    }


def failed(document: Json, error: Json) -> Json:
    """`error`: as it stands in OpenAI's envelope. What was said until then stays."""
    return document | {"status": "failed", "error": error_of(error)}


def cancelled(document: Json) -> Json:
    return document | {"status": "cancelled"}


def error_of(error: Json) -> Json:
    """As a response has it: of its codes only few can be ours."""
    said = str(error.get("code"))  # a worker may say anything
    code = "rate_limit_exceeded" if said in _RATE_CODES else "server_error"
    if error.get("type") == "invalid_request_error" and said != "invalid_api_key":
        code = "invalid_prompt"
    return {"code": code, "message": str(error.get("message") or "The model failed.")}


def usage_of(said: Any) -> Json | None:
    """A chat's usage as a response has it; None for what is none."""
    if not isinstance(said, dict):
        return None
    prompt, completion = _count(said, "prompt_tokens"), _count(said, "completion_tokens")
    if prompt is None or completion is None:
        return None
    cached = _count(said.get("prompt_tokens_details"), "cached_tokens")
    reasoning = _count(said.get("completion_tokens_details"), "reasoning_tokens")
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached or 0, "cache_write_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": reasoning or 0},
        "total_tokens": prompt + completion,
    }


def tier_of(said: Any) -> str:
    """The tier that served it, where its answer says so."""
    return _tier(said if isinstance(said, str) else None)


def _tier(said: str | None) -> str:
    return said if said in _TIERS else "default"


def _count(holder: Any, name: str) -> int | None:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if type(value) is int and value >= 0 else None


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


NOTHING_USED: Final = usage_of({"prompt_tokens": 0, "completion_tokens": 0})
