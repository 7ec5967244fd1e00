"""Tools that a chat may call, the choice between them, and calls in its messages.

https://platform.openai.com/docs/guides/function-calling
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
)

from server.wire.openai_faults import clash, fault

MAX_TOOLS: Final = 128
MAX_CALLS: Final = 128

FunctionName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
CallId = Annotated[str, Field(min_length=1, max_length=256)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class FunctionDefinition(_Part):
    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """None: it takes no arguments."""
    strict: bool | None = None
    """True: its schema is kept to or refused; else keywords no grammar can say are ignored."""

    @field_validator("parameters")
    @classmethod
    def _of_an_object(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        if schema and schema.get("type", "object") != "object":
            raise fault("arguments are an object, so it must be 'object'", ".type")
        return schema


def _only_functions(kind: Any) -> Any:
    if isinstance(kind, str) and kind != "function":
        raise fault("this model calls functions only")
    return kind


FunctionType = Annotated[Literal["function"], BeforeValidator(_only_functions)]


class Tool(_Part):
    type: FunctionType
    function: FunctionDefinition


class FunctionChoice(_Part):
    name: FunctionName


class ToolChoice(_Part):
    """This very one."""

    type: FunctionType
    function: FunctionChoice


class AllowedTools(_Part):
    mode: Literal["auto", "required"]
    tools: Annotated[list[ToolChoice], Field(fail_fast=True, min_length=1, max_length=MAX_TOOLS)]


class AllowedChoice(_Part):
    """One of these."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


def _kind_of(choice: Any) -> str:
    """By which of them it is read, and by whose words it is refused."""
    if isinstance(choice, str):
        return "word"
    allowed = isinstance(choice, AllowedChoice) or (
        isinstance(choice, dict) and choice.get("type") == "allowed_tools"
    )
    return "several" if allowed else "one"


AnyChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("word")]
    | Annotated[ToolChoice, Tag("one")]
    | Annotated[AllowedChoice, Tag("several")],
    Discriminator(_kind_of),
]


class CalledFunction(_Part):
    name: FunctionName
    arguments: str
    """JSON, or what a model took for it."""


class ToolCall(_Part):
    id: CallId
    type: FunctionType
    function: CalledFunction


Tools = Annotated[list[Tool], Field(fail_fast=True, max_length=MAX_TOOLS)]
ToolCalls = Annotated[list[ToolCall], Field(fail_fast=True, min_length=1, max_length=MAX_CALLS)]


def check_choice(choice: AnyChoice | None, names: Sequence[str], param: str, tools: str) -> None:
    """`names`: of the functions in the field `tools`. Raises what `clash` makes."""
    if len(set(names)) < len(names):
        raise clash(f"Invalid value for '{tools}': two functions have the same name.", tools)
    if choice in (None, "none", "auto"):
        return
    if not names:
        raise clash(f"'{param}' is only allowed when '{tools}' are specified.", param)
    for name in chosen(choice, names):
        if name not in names:
            raise clash(f"Invalid value for '{param}': there is no function {name!r}.", param)


def chosen(choice: AnyChoice | None, names: Sequence[str]) -> Sequence[str]:
    """The functions that may be called."""
    match choice:
        case ToolChoice():
            return (choice.function.name,)
        case AllowedChoice():
            return [tool.function.name for tool in choice.allowed_tools.tools]
    return names


def demands(choice: AnyChoice | None) -> bool:
    """Whether one has to be called."""
    if isinstance(choice, AllowedChoice):
        return choice.allowed_tools.mode == "required"
    return isinstance(choice, ToolChoice) or choice == "required"
