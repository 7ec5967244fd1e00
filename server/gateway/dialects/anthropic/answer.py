"""What an OpenAI answer says, as Anthropic's clients read it.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from server.core.ids import new_id

Json = dict[str, Any]

UNSIGNED: Final = "unsigned"
"""The signature of what was thought. Anthropic checks its own; there is none to check here, but
clients drop thoughts without one."""
_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What its request says of an answer."""

    model: str
    stops: Sequence[str] = ()
    thinking: bool = False
    """Whether what the model has thought is shown."""


def message_of(answer: Json, expected: Expected) -> Json:
    """A whole `chat.completion`. Raises `KeyError` and the like for what is none."""
    choice = answer["choices"][0]
    said = choice["message"]
    content: list[Json] = []
    if expected.thinking and (thought := thought_in(said)):
        content.append({"type": "thinking", "thinking": thought, "signature": UNSIGNED})
    if text := text_in(said):
        content.append({"type": "text", "text": text, "citations": None})
    calls = said.get("tool_calls") or ()
    content += [_tool_use(call) for call in calls]
    message = message_start(answer, expected)
    message["content"] = content
    message |= stopped(choice, expected, called=bool(calls), refused=bool(said.get("refusal")))
    message["usage"] = usage_of(answer.get("usage"))
    return message


def message_start(answer: Json, expected: Expected) -> Json:
    """A message of which nothing has been said yet. `answer`: it, or a piece of it."""
    return {
        "id": _named("msg"),
        "type": "message",
        "role": "assistant",
        "model": str(answer.get("model") or expected.model),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "usage": usage_of(answer.get("usage")),
    }


def thought_in(said: Json) -> str:
    """Of a message or a delta; there are two names for it."""
    thought = said.get("reasoning_content") or said.get("reasoning")
    return thought if isinstance(thought, str) else ""


def text_in(said: Json) -> str:
    """The same, of what is meant for the user; a refusal is said too."""
    text = said.get("content") or said.get("refusal") or ""
    if not isinstance(text, str):
        raise TypeError("the content of an answer is text")
    return text


def stopped(choice: Json, expected: Expected, *, called: bool, refused: bool = False) -> Json:
    """Why it ended. OpenAI's form has no place for the stop sequence that was met; upstreams that
    say it all the same do it as vLLM does, in the choice's own `stop_reason`."""
    found = choice.get("stop_reason")
    reason = choice.get("finish_reason")
    if isinstance(found, str) and found in expected.stops:
        return {"stop_reason": "stop_sequence", "stop_sequence": found}
    if refused:
        return {"stop_reason": "refusal", "stop_sequence": None}
    if called and reason == "stop":
        return {"stop_reason": "tool_use", "stop_sequence": None}
    return {"stop_reason": _REASONS.get(str(reason), "end_turn"), "stop_sequence": None}


def usage_of(usage: Json | None) -> Json:
    """Anthropic counts what came out of a cache beside the input, OpenAI within it."""
    said = usage or {}
    cached = _count(said.get("prompt_tokens_details"), "cached_tokens") or 0
    thought = _count(said.get("completion_tokens_details"), "reasoning_tokens")
    return {
        "input_tokens": (_count(said, "prompt_tokens") or 0) - cached,
        "output_tokens": _count(said, "completion_tokens") or 0,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens_details": None if thought is None else {"thinking_tokens": thought},
        "server_tool_use": None,
    }


def tool_id(said: object) -> str:
    """The upstream's own, where it says one."""
    return said if isinstance(said, str) and said else _named("toolu")


def tool_name(function: Json) -> str:
    name = function["name"]
    if not isinstance(name, str):
        raise TypeError("a tool that is called has a name")
    return name


def _named(kind: str) -> str:
    """An id that looks like Anthropic's."""
    return new_id(kind).replace("-", "_")


def _tool_use(call: Json) -> Json:
    function = call["function"]
    return {
        "type": "tool_use",
        "id": tool_id(call.get("id")),
        "name": tool_name(function),
        "input": _input(function.get("arguments")),
    }


def _input(arguments: object) -> Json:
    """What is no object is handed on as Anthropic advises:
    https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/fine-grained-tool-streaming"""
    if not arguments:
        return {}
    try:
        found = orjson.loads(arguments) if isinstance(arguments, str) else arguments
    except orjson.JSONDecodeError:
        found = None
    return found if isinstance(found, dict) else {"INVALID_JSON": arguments}


def _count(said: object, name: str) -> int | None:
    found = said.get(name) if isinstance(said, dict) else None
    return found if type(found) is int else None
