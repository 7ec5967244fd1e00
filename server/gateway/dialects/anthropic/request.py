"""The body of a request in Anthropic's form, and what of it has no like in OpenAI's.

Unknown fields are ignored, and so are wishes that change no answer (`cache_control`,
`service_tier`, `context_management`). What would change the answer and cannot be followed is
refused: tools that Anthropic runs itself, and a beginning of the answer as the last message.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.core.errors import BadRequest
from server.core.strict_json import parse_object
from server.gateway.dialects.anthropic.blocks import Name, Part, Texts, Turn
from server.wire.openai import Count, Stops
from server.wire.whole_numbers import validate

MAX_TURNS: Final = 10_000
"""A worker may take fewer. Anthropic takes more, but here others would wait meanwhile."""
MAX_ALL_BLOCKS: Final = 20_000
"""Of all messages together, with those in the results of tools."""
MAX_TOOLS: Final = 1024
MAX_REASON_CHARS: Final = 300
"""Of what is wrong: it may repeat what was sent."""
Asked = TypeVar("Asked", bound="CountRequest")


class Tool(Part):
    type: Literal["custom"] | None = None
    name: Name
    description: str | None = None
    input_schema: dict[str, Any]
    strict: bool | None = None


class ToolChoice(Part):
    type: Literal["auto", "any", "none"]
    disable_parallel_tool_use: bool | None = None


class OneTool(Part):
    type: Literal["tool"]
    name: Name
    disable_parallel_tool_use: bool | None = None


class Metadata(Part):
    user_id: str | None = None


class ThinkingConfig(Part):
    """How much is thought is the model's own affair; this only says whether it is shown."""

    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: Count | None = None


class JSONFormat(Part):
    type: Literal["json_schema"]
    schema_: dict[str, Any] = Field(alias="schema")


class OutputConfig(Part):
    format: JSONFormat | None = None


class CountRequest(BaseModel):
    """`POST /v1/messages/count_tokens`: what goes into the prompt."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)

    model: str = Field(min_length=1, max_length=200)
    messages: Annotated[list[Turn], Field(fail_fast=True, min_length=1, max_length=MAX_TURNS)]
    system: Texts | None = None
    tools: Annotated[list[Tool], Field(fail_fast=True, max_length=MAX_TOOLS)] | None = None
    tool_choice: Annotated[ToolChoice | OneTool, Field(discriminator="type")] | None = None
    mcp_servers: Annotated[list[Any], Field(max_length=0)] | None = None
    thinking: ThinkingConfig | None = None


class MessagesRequest(CountRequest):
    """`POST /v1/messages`."""

    max_tokens: Count
    stream: bool | None = None
    stop_sequences: Stops | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    metadata: Metadata | None = None
    output_config: OutputConfig | None = None

    @property
    def shows_thinking(self) -> bool:
        return self.thinking is not None and self.thinking.type != "disabled"


def parse(kind: type[Asked], body: bytes) -> Asked:
    """Raises `BadRequest` that names the first field that is wrong."""
    fields = parse_object(body)
    if _blocks_in(fields.get("messages")) > MAX_ALL_BLOCKS:
        raise BadRequest(
            f"messages: All together have at most {MAX_ALL_BLOCKS} blocks.", param="messages"
        )
    try:
        asked = validate(kind, fields)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        param = _path(detail["loc"], fields)
        reason = detail["msg"][:MAX_REASON_CHARS].replace(" after validation", "")
        raise BadRequest(f"{param}: {reason}.", param=param) from error
    if isinstance(asked, MessagesRequest) and asked.messages[-1].role == "assistant":
        raise BadRequest(
            "messages: The last one must not be the assistant's: no model here goes on with an "
            "answer that was begun for it.",
            param="messages",
        )
    _check_choice(asked.tool_choice, [tool.name for tool in asked.tools or ()])
    return asked


def _check_choice(choice: ToolChoice | OneTool | None, tools: Sequence[str]) -> None:
    """Raises `BadRequest` where one is demanded that is not there."""
    if choice is None or choice.type in ("auto", "none"):
        return
    if not tools:
        raise BadRequest("tool_choice: There are no tools to choose from.", param="tool_choice")
    if isinstance(choice, OneTool) and choice.name not in tools:
        raise BadRequest(f"tool_choice: There is no tool {choice.name!r}.", param="tool_choice")


def _blocks_in(messages: object) -> int:
    """Counted before any is looked at, which takes far longer."""
    blocks = 0
    for content in _contents(messages):
        blocks += len(content) + sum(map(len, _contents(content)))
    return blocks


def _contents(holders: object) -> Iterator[list[Any]]:
    """The lists that are the `content` of something in `holders`."""
    for holder in holders if isinstance(holders, list) else ():
        content = holder.get("content") if isinstance(holder, dict) else None
        if isinstance(content, list):
            yield content


def _path(loc: tuple[int | str, ...], body: Any) -> str:
    """`messages.0.content`, as Anthropic writes it; pydantic also says which member of a union it
    has tried, by its `type` or `role`, and that is left out."""
    names = []
    tagged: object = None
    """Whose tag has been passed already: it may also have a field of that name."""
    for place, part in enumerate(loc, start=1):
        inner = None
        if isinstance(body, dict):
            tags = (body.get("type"), body.get("role"))
            if part in tags and place < len(loc) and tagged is not body:
                tagged = body
                continue
            inner = body.get(part)
        elif isinstance(body, list) and isinstance(part, int) and part < len(body):
            inner = body[part]
        names.append(str(part))
        body = inner
    return ".".join(names)
