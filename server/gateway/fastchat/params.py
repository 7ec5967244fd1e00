"""An OpenAI request in FastChat's words. Plain functions; FastChat's defaults.

https://github.com/lm-sys/FastChat/blob/v0.2.36/fastchat/serve/openai_api_server.py
"""

from __future__ import annotations

from typing import Any

from server.core.errors import BadRequest

MAX_CHOICES = 128
MAX_STOPS = 64
MAX_INPUTS = 2048
COMPLETION_TOKENS = 16
"""What a completion gets that asks for no number of tokens; OpenAI's default."""
_REFUSED = ("tools", "functions", "suffix", "dimensions")


def refuse_unknown(fields: dict[str, Any]) -> None:
    """Raises `BadRequest` for what FastChat's workers would silently ignore."""
    for name in _REFUSED:
        if fields.get(name):
            raise BadRequest(f"A FastChat worker does not know {name!r}.", param=name)
    wanted = fields.get("response_format")
    if isinstance(wanted, dict) and wanted.get("type", "text") != "text":
        raise BadRequest("A FastChat worker answers in plain text only.", param="response_format")


def sampling(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of `/worker_generate_stream` that say how to draw tokens."""
    params = {
        "temperature": number(fields, "temperature", 0.7, 0, 2),
        "top_p": number(fields, "top_p", 1.0, 0, 1),
        "top_k": whole(fields, "top_k", -1, -1, 1_000_000),
        "presence_penalty": number(fields, "presence_penalty", 0.0, -2, 2),
        "frequency_penalty": number(fields, "frequency_penalty", 0.0, -2, 2),
    }
    if fields.get("repetition_penalty") is not None:
        params["repetition_penalty"] = number(fields, "repetition_penalty", 1.0, 0, 10)
    if fields.get("best_of") is not None:
        params["best_of"] = whole(fields, "best_of", 1, 1, MAX_CHOICES)
    return params


def stops(fields: dict[str, Any]) -> list[str]:
    stop = fields.get("stop")
    if stop is None:
        return []
    found = [stop] if isinstance(stop, str) else stop
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise BadRequest("stop is a string or a list of strings.", param="stop")
    if len(found) > MAX_STOPS:
        raise BadRequest(f"There can be {MAX_STOPS} stop strings at most.", param="stop")
    return [item for item in found if item]


def choices(fields: dict[str, Any]) -> int:
    return whole(fields, "n", 1, 1, MAX_CHOICES)


def token_limit(fields: dict[str, Any], default: int | None) -> int | None:
    """The most tokens to generate; None: as many as there is room for."""
    for name in ("max_completion_tokens", "max_tokens"):
        if fields.get(name) is not None:
            return whole(fields, name, 1, 1, 2**31)
    return default


def messages_of(fields: dict[str, Any]) -> list[Any]:
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages must be a list that is not empty.", param="messages")
    return messages


def texts(fields: dict[str, Any], name: str) -> list[str]:
    """`prompt` or `input`, which are one text or several."""
    value = fields.get(name)
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not found or not all(isinstance(t, str) for t in found):
        raise BadRequest(f"A FastChat worker takes {name} as text, or a list of it.", param=name)
    if len(found) > MAX_INPUTS:
        raise BadRequest(f"There can be {MAX_INPUTS} texts at most.", param=name)
    return found


def wants_usage(fields: dict[str, Any]) -> bool:
    options = fields.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def number(fields: dict[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = fields.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise BadRequest(f"{name} must be a number from {low} to {high}.", param=name)
    return value


def whole(fields: dict[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = number(fields, name, default, low, high)
    if not isinstance(value, int):
        raise BadRequest(f"{name} must be a whole number.", param=name)
    return value
