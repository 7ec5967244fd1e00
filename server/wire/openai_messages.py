"""Messages of a chat.

https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from server.wire.openai_faults import clash, fault, missing
from server.wire.openai_parts import text_in
from server.wire.openai_tools import CalledFunction, CallId, ToolCalls

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    role: Role
    content: str = ""
    """May be absent where the model called something; null in its own messages only."""
    name: str | None = Field(default=None, max_length=256)
    reasoning_content: str | None = None
    """What the model thought, as it was told: some models want it back."""
    tool_calls: ToolCalls | None = None
    tool_call_id: CallId | None = None
    """Of the call that a tool's message answers."""
    function_call: CalledFunction | None = None
    """The old name of one call that has no id."""

    @field_validator("content", mode="before")
    @classmethod
    def _text(cls, content: Any) -> Any:
        return text_in(content)

    @model_validator(mode="before")
    @classmethod
    def _said(cls, message: Any) -> Any:
        is_other = isinstance(message, dict) and message.get("role") != "assistant"
        if is_other and message.get("content", "") is None:
            raise fault("it must be a string or a list of parts", ".content")
        return message

    @model_validator(mode="after")
    def _complete(self) -> Self:
        calls = self.role == "assistant" and (self.tool_calls or self.function_call)
        if not calls and "content" not in self.model_fields_set:
            raise missing(".content")
        if self.role == "tool" and self.tool_call_id is None:
            raise missing(".tool_call_id")
        if self.role == "function" and self.name is None:
            raise missing(".name")
        return self


def check_calls(messages: Sequence[Message]) -> None:
    """Each call is answered, and nothing else is. Raises what `clash` makes."""
    open_: dict[str, None] = {}
    for at, message in enumerate(messages):
        if message.role == "tool":
            if message.tool_call_id not in open_:
                raise clash(
                    "Messages with role 'tool' must be a response to a preceding message with "
                    f"'tool_calls': there is no call {message.tool_call_id!r} to answer.",
                    f"messages[{at}].tool_call_id",
                )
            open_.pop(message.tool_call_id)
        elif open_:
            raise _unanswered(open_, at)
        elif message.role == "assistant":
            open_ = {call.id: None for call in message.tool_calls or ()}
    if open_:
        raise _unanswered(open_, len(messages))


def _unanswered(calls: Sequence[str] | dict[str, None], at: int) -> Exception:
    return clash(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to "
        f"each 'tool_call_id'; without one: {', '.join(calls)[:200]}.",
        f"messages[{at - 1}]",
    )
