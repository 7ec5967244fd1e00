"""The fake upstream's words for FastChat, which asks its workers in a protocol of its own.

One process plays both parts, so that FastChat has as cheap a worker as every other way.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import orjson

from benchmarks.gateway.answers import MODEL, words
from benchmarks.gateway.messages import Ask

WHOLE = b"/worker_generate"
STREAM = b"/worker_generate_stream"
CONTEXT_LENGTH = 32_768
STATUS = {"model_names": [MODEL], "speed": 1, "queue_length": 0}

CONVERSATION = {
    "name": MODEL,
    "system_template": "{system_message}",
    "system_message": "",
    "roles": ["user", "assistant"],
    "messages": [],
    "offset": 0,
    "sep_style": 3,  # ADD_COLON_SPACE_SINGLE
    "sep": "\n",
    "sep2": None,
    "stop_str": None,
    "stop_token_ids": None,
}

FIXED: Mapping[bytes, bytes] = MappingProxyType(
    {
        b"/worker_get_status": orjson.dumps(STATUS),
        b"/worker_get_conv_template": orjson.dumps({"conv": CONVERSATION}),
        b"/model_details": orjson.dumps({"context_length": CONTEXT_LENGTH}),
        b"/count_token": orjson.dumps({"count": 40, "error_code": 0}),
    }
)
"""Answers that are always the same, by path."""


def whole_answer(ask: Ask) -> bytes:
    return _said("".join(words(ask)), ask.events, "stop")


def bursts(ask: Ask) -> list[bytes]:
    """What is sent together; every message has all of the text up to there."""
    said = list(words(ask))
    messages = [_said("".join(said[: n + 1]), n + 1, None) + b"\0" for n in range(ask.events)]
    groups = [b"".join(messages[i : i + ask.burst]) for i in range(0, ask.events, ask.burst)]
    groups[-1] += whole_answer(ask) + b"\0"
    return groups


def _said(text: str, tokens: int, finish_reason: str | None) -> bytes:
    usage = {"prompt_tokens": 40, "completion_tokens": tokens, "total_tokens": 40 + tokens}
    return orjson.dumps(
        {"text": text, "error_code": 0, "usage": usage, "finish_reason": finish_reason}
    )
