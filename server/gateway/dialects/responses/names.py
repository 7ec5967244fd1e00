"""Fields of a chat by their names in a request for a response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from server.gateway.dialects.names import Names
from server.gateway.dialects.responses.chat import messages_of
from server.gateway.dialects.responses.wish import Wish
from server.gateway.dialects.values import Json

FIELDS: Final[Mapping[str, str]] = {
    "messages": "input",
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
    "response_format.json_schema": "text.format",
    "response_format": "text.format",
    "tool_choice.function": "tool_choice",
    "tool_choice.allowed_tools": "tool_choice",
    "logprobs": "top_logprobs",
    "image_url": "input_image",
    "tool_calls": "function_call",
    "tool_call_id": "call_id",
}
"""With the types of parts that stand in sentences."""
_OF_CALL: Final[Mapping[str, str]] = {
    ".id": ".call_id",
    ".function.name": ".name",
    ".function.arguments": ".arguments",
}


def names_of(wish: Wish, items: Sequence[Json], before: int) -> Names:
    """`items`: as the chat was made of them, `before` of which are of earlier responses."""

    def message(at: int, rest: str) -> str:
        made_of: list[list[int]] = []
        messages_of(wish.instructions, items, made_of)
        if at >= len(made_of):
            return "input"
        if not made_of[at]:
            return "instructions"
        return _item(items, made_of[at], before, rest, whole=isinstance(wish.input, str))

    return Names(FIELDS, message, _tool)


def names_of_summary() -> Names:
    """Of a chat that has the whole input in one message."""
    return Names(FIELDS, lambda at, rest: "input", _tool)


def _item(
    items: Sequence[Json], made_of: Sequence[int], before: int, rest: str, *, whole: bool
) -> str:
    """`whole`: the input was one string."""
    at = made_of[0]
    if rest.startswith(".tool_calls["):
        calls = [one for one in made_of if items[one]["type"] == "function_call"]
        number, _, field = rest.removeprefix(".tool_calls[").partition("]")
        at = calls[min(int(number), len(calls) - 1)] if calls else at
        rest = _OF_CALL.get(field, "")
    elif items[at]["type"] == "function_call_output":
        rest = rest.replace(".content", ".output", 1).replace(".tool_call_id", ".call_id", 1)
    if at < before:
        return "previous_response_id"
    return "input" if whole else f"input[{at - before}]{rest}"


def _tool(at: int, rest: str) -> str:
    return f"tools[{at}]{rest.removeprefix('.function')}"
