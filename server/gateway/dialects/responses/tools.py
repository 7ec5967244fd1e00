"""Tools, and the choice between them: functions pass, whatever runs elsewhere does not."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.core.errors import BadRequest
from server.gateway.dialects.values import Json
from server.wire.openai_refusals import bad

MAX_TOOLS: Final = 128
CHOICES: Final = ("none", "auto", "required")
_HOSTED: Final = (
    "Tools of type {!r} do not run here: this server calls models, and nothing else. Offer the "
    "model tools of type 'function', and run them yourself."
)

Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_-]+$")]


class FunctionTool(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    type: Literal["function"]
    name: Name
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None

    def chat(self) -> Json:
        """As a chat is offered it."""
        fields = self.model_dump(exclude={"type"}, exclude_none=True)
        return {"type": "function", "function": fields}


def refuse_hosted(tools: Any) -> None:
    """Raises `BadRequest` for a tool that is no function. What is no list of tools is let pass: it
    is told as any mistake."""
    for at, tool in enumerate(tools if isinstance(tools, list) else ()):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if isinstance(kind, str) and kind != "function":
            raise BadRequest(
                _HOSTED.format(kind[:40]), param=f"tools[{at}].type", code="unsupported_tool"
            )


def check_choice(choice: Any, tools: list[FunctionTool]) -> Any:
    """`tool_choice` as it is told again. Raises `BadRequest`."""
    if choice is None:
        return "auto"
    if isinstance(choice, str):
        if choice not in CHOICES:
            raise bad("tool_choice", f"it must be one of {', '.join(CHOICES)}, or an object")
        if choice == "required" and not tools:
            raise bad("tool_choice", "there are no tools to call")
        return choice
    if not isinstance(choice, dict):
        raise bad("tool_choice", "it must be a word or an object")
    kind = choice.get("type")
    if kind == "function":
        _check_known(choice, tools, "tool_choice.name")
        return {"type": "function", "name": choice["name"]}
    if kind == "allowed_tools":
        return _allowed(choice, tools)
    raise BadRequest(
        _HOSTED.format(str(kind)[:40]), param="tool_choice.type", code="unsupported_tool"
    )


def chat_choice(choice: Any) -> Any:
    """The same in the words of a chat; `choice` has been checked."""
    if isinstance(choice, str):
        return choice
    if choice["type"] == "function":
        return _named(choice)
    tools = [_named(tool) for tool in choice["tools"]]
    return {"type": "allowed_tools", "allowed_tools": {"mode": choice["mode"], "tools": tools}}


def _allowed(choice: Json, tools: list[FunctionTool]) -> Json:
    mode, allowed = choice.get("mode"), choice.get("tools")
    if mode not in ("auto", "required"):
        raise bad("tool_choice.mode", "it is auto or required")
    if not isinstance(allowed, list) or not allowed or len(allowed) > MAX_TOOLS:
        raise bad("tool_choice.tools", f"it must be a list of 1 to {MAX_TOOLS} tools")
    refuse_hosted(allowed)
    for at, tool in enumerate(allowed):
        _check_known(tool, tools, f"tool_choice.tools[{at}].name")
    named = [{"type": "function", "name": tool["name"]} for tool in allowed]
    return {"type": "allowed_tools", "mode": mode, "tools": named}


def _check_known(tool: Any, tools: list[FunctionTool], param: str) -> None:
    name = tool.get("name") if isinstance(tool, dict) else None
    if not isinstance(name, str) or all(name != known.name for known in tools):
        raise bad(param, "there is no such function among the tools")


def _named(tool: Json) -> Json:
    return {"type": "function", "function": {"name": tool["name"]}}
