"""What our own engines understand of OpenAI's requests, and the limits they set.

A list ends at its first mistake: it is the only one shown, and a long list may hold a million.
Unknown fields are ignored. A field that would change the answer, but that no local engine can
follow yet, is refused: an answer that silently ignores `audio` is a wrong answer.

https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from server.core.errors import BadRequest
from server.wire.openai_faults import clash, fault
from server.wire.openai_forms import ResponseFormat
from server.wire.openai_inputs import Inputs, Prompts
from server.wire.openai_messages import Message, check_calls
from server.wire.openai_parts import MAX_PARTS as MAX_PARTS  # it is a limit like those below
from server.wire.openai_tools import (
    MAX_TOOLS,
    AnyChoice,
    FunctionChoice,
    FunctionDefinition,
    ToolChoice,
    Tools,
    check_choice,
)

MAX_MESSAGES: Final = 4096
MAX_CHOICES: Final = 8
MAX_BEST_OF: Final = 20
MAX_TOP_LOGPROBS: Final = 20
MAX_COMPLETION_LOGPROBS: Final = 5
MAX_METADATA: Final = 16
MAX_TEMPLATE_VARIABLES: Final = 32
MAX_STOPS: Final = 16
MAX_STOP_CHARS: Final = 256
MAX_BIASES: Final = 1024
MAX_ID_DIGITS: Final = 10
MAX_TOKENS: Final = 2**31 - 1

Stop = Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARS)]
Stops = Annotated[list[Stop], Field(fail_fast=True, max_length=MAX_STOPS)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Count = Annotated[int, Field(ge=1, le=MAX_TOKENS)]


def _few(most: int, what: str) -> BeforeValidator:
    """Counted before any is looked at: a dict does not end at its first mistake."""

    def check(found: Any) -> Any:
        if isinstance(found, dict) and len(found) > most:
            raise fault(f"it may have at most {most} {what}")
        return found

    return BeforeValidator(check)


Biases = Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], _few(MAX_BIASES, "tokens")]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    _few(MAX_METADATA, "keys"),
]

TemplateVariables = Annotated[
    dict[Annotated[str, Field(pattern=r"^[a-zA-Z_]\w{0,63}$")], Any],
    _few(MAX_TEMPLATE_VARIABLES, "variables"),
]


class Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)

    model: str = Field(min_length=1, max_length=200)


class StreamOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    """Not heeded: nothing is padded here."""


class GenerationRequest(Request):
    """What chat and completions have in common; `None` is the same as absent."""

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=2**31 - 1)] | None = None
    """Not OpenAI's; -1 or 0: no limit."""
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = None
    """Not OpenAI's; 1: none."""
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: Biases | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: Stops | None = None
    response_format: ResponseFormat | None = None
    user: str | None = None
    """A gateway may heed it; an engine does not."""

    @field_validator("stop", mode="before")
    @classmethod
    def _stops(cls, stop: Any) -> Any:
        return [stop] if isinstance(stop, str) else stop

    @field_validator("logit_bias")
    @classmethod
    def _token_ids(cls, bias: dict[str, float] | None) -> dict[str, float] | None:
        for token in bias or ():
            if not (token.isascii() and token.isdecimal() and len(token) <= MAX_ID_DIGITS):
                raise fault("a key is the id of a token", f".{token}")
        return bias

    @model_validator(mode="after")
    def _streams(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise clash(
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                "stream_options",
            )
        return self

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


class ChatRequest(GenerationRequest):
    messages: Annotated[list[Message], Field(fail_fast=True, min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Count | None = None
    """Goes before `max_tokens`, its old name."""
    tools: Tools | None = None
    tool_choice: AnyChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[FunctionDefinition], Field(max_length=MAX_TOOLS)] | None = None
    """The old name of `tools`, for one call at a time,"""
    function_call: Literal["none", "auto"] | FunctionChoice | None = None
    """and that of `tool_choice`."""
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None

    chat_template_kwargs: TemplateVariables | None = None
    """Not OpenAI's: what the model's own template is told, such as `enable_thinking`."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = (
        None
    )
    """Heeded by models whose template does; `none` keeps from thinking those that can be kept."""

    # What follows may be said and changes nothing of what an engine of ours answers.
    metadata: Metadata | None = None
    modalities: Annotated[list[Literal["text"]], Field(fail_fast=True, max_length=2)] | None = None
    prediction: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    store: bool | None = None
    verbosity: Literal["low", "medium", "high"] | None = None

    @model_validator(mode="after")
    def _scores(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise clash(
                "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
                "top_logprobs",
            )
        return self

    @model_validator(mode="after")
    def _calls(self) -> Self:
        check_calls(self.messages)
        if self.tools and self.functions:
            raise clash("'functions' is the old name of 'tools'; give one of them.", "functions")
        old = self.functions is not None
        param, tools = ("function_call", "functions") if old else ("tool_choice", "tools")
        check_choice(self.choice, [one.name for one in self.offered], param, tools)
        return self

    @property
    def offered(self) -> list[FunctionDefinition]:
        """Functions that may be called, by their new name or by the old one."""
        return [tool.function for tool in self.tools or ()] or list(self.functions or ())

    @property
    def has_form(self) -> bool:
        """Whether there is more to an answer than text."""
        return self.response_format is not None or bool(self.offered)

    @property
    def choice(self) -> AnyChoice | None:
        """By either name."""
        if isinstance(self.function_call, FunctionChoice):
            return ToolChoice(type="function", function=self.function_call)
        return self.tool_choice or self.function_call


class CompletionRequest(GenerationRequest):
    prompt: Prompts
    max_tokens: Annotated[int, Field(ge=0, le=MAX_TOKENS)] | None = None
    """0 with `echo`: the prompt is only looked at."""
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=MAX_COMPLETION_LOGPROBS)] | None = None
    best_of: Annotated[int, Field(ge=1, le=MAX_BEST_OF)] | None = None
    suffix: str | None = None
    """Refused unless it is empty."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.max_tokens == 0 and not self.echo:
            raise clash("'max_tokens' can be 0 only when 'echo' is enabled.", "max_tokens")
        if self.best_of is not None and self.best_of < (self.n or 1):
            raise clash("'best_of' must be at least 'n'.", "best_of")
        if self.stream and self.candidates > (self.n or 1):
            raise clash("'best_of' above 'n' cannot be streamed.", "best_of")
        return self

    @property
    def candidates(self) -> int:
        """Answers to make of each prompt, of which the best are told."""
        return self.best_of or self.n or 1


class EmbeddingRequest(Request):
    input: Inputs
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1, le=65536)] | None = None
    user: str | None = None


_BEYOND: Final = (
    *("suffix", "audio", "web_search_options", "moderation"),
    # vLLM's
    *("guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs"),
    *("continue_final_message", "min_tokens", "ignore_eos", "prompt_logprobs", "bad_words"),
)


def refuse_beyond_us(body: dict[str, Any]) -> None:
    """Raises `BadRequest` for fields that no local engine can follow yet."""
    for field in _BEYOND:
        if body.get(field) and not (field == "audio" and body.get("modalities") == ["text"]):
            raise _beyond(field)


def _beyond(field: str) -> BadRequest:
    return BadRequest(
        f"This model's engine does not support '{field}'.",
        param=field,
        code="unsupported_parameter",
    )
