"""What a client may ask of `POST /v1/responses`.

Unknown fields are ignored, and so are those that change nothing here. A field that would change the
answer, but cannot be followed, is refused.

https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from server.core.errors import BadRequest
from server.gateway.dialects.responses.tools import (
    MAX_TOOLS,
    FunctionTool,
    Name,
    check_choice,
    refuse_hosted,
)
from server.gateway.dialects.values import Json
from server.wire.openai import MAX_TOKENS, MAX_TOP_LOGPROBS, Metadata, Penalty
from server.wire.openai_faults import bad_request, fault
from server.wire.openai_refusals import bad, missing
from server.wire.whole_numbers import validate

LOGPROBS: Final = "message.output_text.logprobs"
NOT_FOLLOWED: Final = ("prompt", "context_management", "moderation")
INCLUDABLE: Final = frozenset(
    {
        LOGPROBS,
        "file_search_call.results",
        "web_search_call.results",
        "web_search_call.action.sources",
        "message.input_image.image_url",
        "computer_call_output.output.image_url",
        "code_interpreter_call.outputs",
        "reasoning.encrypted_content",
    }
)

Label = Annotated[str, Field(max_length=512)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class Reasoning(_Part):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class Format(_Part):
    """How the text is made up; `name` and `schema` belong to `json_schema`."""

    type: Literal["text", "json_object", "json_schema"]
    name: Name | None = None
    description: str | None = None
    shape: Json | None = Field(default=None, alias="schema")
    strict: bool | None = None


class TextWish(_Part):
    format: Format | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Conversation(_Part):
    id: Annotated[str, Field(min_length=1, max_length=200)]


class Wish(_Part):
    """`input` and `tool_choice` are read apart; `None` is the same as absent."""

    model: str = Field(min_length=1, max_length=200)
    input: Any = None
    instructions: str | None = None
    previous_response_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    conversation: Conversation | None = None
    stream: bool | None = None
    stream_options: Json | None = None
    store: bool | None = None
    background: bool | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    max_tool_calls: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    text: TextWish | None = None
    reasoning: Reasoning | None = None
    tools: Annotated[list[FunctionTool], Field(fail_fast=True, max_length=MAX_TOOLS)] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    truncation: Literal["auto", "disabled"] | None = None
    include: Annotated[list[str], Field(fail_fast=True, max_length=len(INCLUDABLE))] | None = None
    metadata: Metadata | None = None
    service_tier: (
        Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"] | None
    ) = None
    user: Label | None = None
    safety_identifier: Label | None = None
    prompt_cache_key: Label | None = None

    @field_validator("conversation", mode="before")
    @classmethod
    def _by_id(cls, named: Any) -> Any:
        return {"id": named} if isinstance(named, str) else named

    @field_validator("include")
    @classmethod
    def _includable(cls, include: list[str] | None) -> list[str] | None:
        for word in include or ():
            if word not in INCLUDABLE:
                raise fault(f"{word[:80]!r} cannot be included")
        return include

    @property
    def conversation_id(self) -> str | None:
        return self.conversation.id if self.conversation else None

    @property
    def stores(self) -> bool:
        return self.store is not False

    @property
    def wants_logprobs(self) -> bool:
        return bool(self.top_logprobs) or LOGPROBS in (self.include or ())

    @property
    def format(self) -> Format:
        wanted = self.text.format if self.text else None
        return wanted or Format(type="text")


def read_wish(body: Json) -> tuple[Wish, Any]:
    """The wish, and its `tool_choice` as it is told again. Raises `BadRequest` that names the
    field."""
    for field in NOT_FOLLOWED:
        if body.get(field) is not None:
            raise BadRequest(
                f"'{field}' is not supported here.", param=field, code="unsupported_parameter"
            )
    refuse_hosted(body.get("tools"))
    try:
        wish = validate(Wish, body)
    except ValidationError as error:
        raise bad_request(error, body) from None
    if wish.conversation is not None and wish.previous_response_id is not None:
        raise BadRequest(
            "A response follows another one or is part of a conversation; send one of "
            "'previous_response_id' and 'conversation'.",
            code="mutually_exclusive_parameters",
        )
    if wish.background and not wish.stores:
        raise bad("background", "such a response is stored; leave out 'store'")
    _check_format(wish.format)
    return wish, check_choice(wish.tool_choice, wish.tools or [])


def _check_format(wanted: Format) -> None:
    if wanted.type != "json_schema":
        return
    for field, value in (("name", wanted.name), ("schema", wanted.shape)):
        if value is None:
            raise missing(f"text.format.{field}")
