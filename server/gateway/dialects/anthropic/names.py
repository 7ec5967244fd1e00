"""Fields of a chat by their names in an Anthropic request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from server.gateway.dialects.anthropic.chat import turns_of
from server.gateway.dialects.anthropic.request import CountRequest
from server.gateway.dialects.names import Names

FIELDS: Final[Mapping[str, str]] = {
    "max_completion_tokens": "max_tokens",
    "stop": "stop_sequences",
    "user": "metadata.user_id",
    "response_format.json_schema": "output_config.format",
    "response_format": "output_config.format",
    "tool_choice.function": "tool_choice",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "image_url": "image",
    "tool_calls": "tool_use",
    "tool_call_id": "tool_use_id",
}
"""With the types of blocks that stand in sentences."""
_OF_TOOL: Final[Mapping[str, str]] = {
    ".function.name": ".name",
    ".function.description": ".description",
    ".function.parameters": ".input_schema",
    ".function.strict": ".strict",
}


def names_of(asked: CountRequest) -> Names:
    def message(at: int, rest: str) -> str:
        made_of: list[int | None] = []
        turns_of(asked, made_of)
        if at >= len(made_of):
            return "messages"
        turn = made_of[at]
        if turn is None:
            return "system"
        return f"messages.{turn}.content" if rest else f"messages.{turn}"

    return Names(FIELDS, message, _tool)


def _tool(at: int, rest: str) -> str:
    return f"tools.{at}{_OF_TOOL.get(rest, '')}"
