"""What the messages of an Anthropic request are made of.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MAX_BLOCKS: Final = 4096
"""Of one message, or one result of a tool."""
MAX_NAME_CHARS: Final = 256


class Part(BaseModel):
    """Its `type` says which one it is. Unknown fields, such as `cache_control`, are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]


def as_blocks(content: Any) -> Any:
    """One string is one block of text."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class Text(Part):
    type: Literal["text"]
    text: str


Texts = Annotated[
    list[Text], Field(fail_fast=True, max_length=MAX_BLOCKS), BeforeValidator(as_blocks)
]


class Encoded(Part):
    type: Literal["base64"]
    media_type: str = Field(pattern=r"^[a-z]+/[a-z0-9.+-]+$", max_length=100)
    data: str = Field(min_length=1)

    @property
    def url(self) -> str:
        return f"data:{self.media_type};base64,{self.data}"


class Linked(Part):
    type: Literal["url"]
    url: str = Field(min_length=1)


class Image(Part):
    type: Literal["image"]
    source: Annotated[Encoded | Linked, Field(discriminator="type")]


class PlainText(Part):
    type: Literal["text"]
    data: str


class Written(Part):
    type: Literal["content"]
    content: Annotated[
        list[Annotated[Text | Image, Field(discriminator="type")]],
        Field(fail_fast=True, max_length=MAX_BLOCKS),
        BeforeValidator(as_blocks),
    ]


class Document(Part):
    type: Literal["document"]
    source: Annotated[Encoded | PlainText | Written, Field(discriminator="type")]
    title: str | None = None
    context: str | None = None


class ToolUse(Part):
    type: Literal["tool_use"]
    id: Name
    name: Name
    input: dict[str, Any]


class ToolResult(Part):
    type: Literal["tool_result"]
    tool_use_id: Name
    content: Annotated[
        list[Annotated[Text | Image | Document, Field(discriminator="type")]],
        Field(fail_fast=True, max_length=MAX_BLOCKS),
        BeforeValidator(as_blocks),
    ] = []
    is_error: bool | None = None


class Thinking(Part):
    type: Literal["thinking"]
    thinking: str


class RedactedThinking(Part):
    """Nobody but the model that has made it can read it."""

    type: Literal["redacted_thinking"]


Said = Text | ToolUse | Thinking | RedactedThinking
Asked = Text | Image | Document | ToolResult


class UserTurn(Part):
    role: Literal["user"]
    content: Annotated[
        list[Annotated[Asked, Field(discriminator="type")]],
        Field(fail_fast=True, min_length=1, max_length=MAX_BLOCKS),
        BeforeValidator(as_blocks),
    ]


class AssistantTurn(Part):
    role: Literal["assistant"]
    content: Annotated[
        list[Annotated[Said, Field(discriminator="type")]],
        Field(fail_fast=True, max_length=MAX_BLOCKS),
        BeforeValidator(as_blocks),
    ]


class SystemTurn(Part):
    role: Literal["system"]
    content: Texts


Turn = Annotated[UserTurn | AssistantTurn | SystemTurn, Field(discriminator="role")]
