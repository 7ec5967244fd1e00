"""What our own engines understand of OpenAI's requests, and the limits they set.

A list ends at its first mistake: it is the only one shown, and a long list may hold a million.
Unknown fields are ignored. A field that would change the answer, but that no local engine can
follow yet, is refused: an answer that silently ignores `tools` is a wrong answer.

https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from server.core.errors import BadRequest

MAX_MESSAGES: Final = 4096
MAX_PARTS: Final = 1024
MAX_CHOICES: Final = 8
MAX_STOPS: Final = 16
MAX_STOP_CHARS: Final = 256
MAX_BIASES: Final = 1024
MAX_PROMPTS: Final = 64
MAX_INPUTS: Final = 2048
MAX_PROMPT_TOKENS: Final = 1_000_000
MAX_TOKENS: Final = 2**31 - 1

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
Stop = Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARS)]
TokenIds = Annotated[
    list[Annotated[int, Field(ge=0, le=2**31 - 1)]],
    Field(fail_fast=True, min_length=1, max_length=MAX_PROMPT_TOKENS),
]
Stops = Annotated[list[Stop], Field(fail_fast=True, max_length=MAX_STOPS)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Count = Annotated[int, Field(ge=1, le=MAX_TOKENS)]

NO_TEXT_IN = "This model reads text only; a part of type {!r} is not text."


class Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)

    model: str = Field(min_length=1, max_length=200)


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    role: Role
    content: str
    name: str | None = Field(default=None, max_length=256)

    @field_validator("content", mode="before")
    @classmethod
    def _text(cls, content: Any) -> Any:
        """Text parts joined; None, as in a message that only calls tools, is empty."""
        if content is None:
            return ""
        if not isinstance(content, list):
            return content
        if len(content) > MAX_PARTS:
            raise ValueError(f"a message has at most {MAX_PARTS} parts")
        return "".join(_text_of(part) for part in content)


class StreamOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    include_usage: bool | None = None


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
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: Stops | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _stops(cls, stop: Any) -> Any:
        return [stop] if isinstance(stop, str) else stop

    @field_validator("logit_bias", mode="before")
    @classmethod
    def _few(cls, bias: Any) -> Any:
        """Counted before any is looked at: a dict does not end at its first mistake."""
        if isinstance(bias, dict) and len(bias) > MAX_BIASES:
            raise ValueError(f"it has at most {MAX_BIASES} tokens")
        return bias

    @field_validator("logit_bias")
    @classmethod
    def _token_ids(cls, bias: dict[str, float] | None) -> dict[str, float] | None:
        if any(not token.isdecimal() or len(token) > 10 for token in bias or ()):
            raise ValueError("its keys are token ids")
        return bias

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


class ChatRequest(GenerationRequest):
    messages: Annotated[list[Message], Field(fail_fast=True, min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Count | None = None


class CompletionRequest(GenerationRequest):
    prompt: Annotated[
        list[str | TokenIds], Field(fail_fast=True, min_length=1, max_length=MAX_PROMPTS)
    ]
    echo: bool | None = None

    @field_validator("prompt", mode="before")
    @classmethod
    def _prompts(cls, prompt: Any) -> Any:
        return _as_list(prompt)


class EmbeddingRequest(Request):
    input: Annotated[
        list[Annotated[str, Field(min_length=1)] | TokenIds],
        Field(fail_fast=True, min_length=1, max_length=MAX_INPUTS),
    ]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1, le=65536)] | None = None

    @field_validator("input", mode="before")
    @classmethod
    def _inputs(cls, value: Any) -> Any:
        return _as_list(value)


def refuse_beyond_us(body: dict[str, Any]) -> None:
    """Raises `BadRequest` for fields that no local engine can follow yet."""
    for field in ("tools", "functions", "logprobs", "top_logprobs", "suffix", "audio"):
        if body.get(field):
            raise _beyond(field)
    if isinstance(choice := body.get("best_of"), int) and choice > 1:
        raise _beyond("best_of")
    wanted = body.get("response_format")
    if wanted is not None and not (isinstance(wanted, dict) and wanted.get("type") == "text"):
        raise _beyond("response_format")


def bad_request(error: ValidationError, body: dict[str, Any]) -> BadRequest:
    """The first mistake in OpenAI's words, with the path of the field as `param`."""
    detail = error.errors(include_url=False, include_input=False)[0]
    param = _path(detail["loc"], body)
    if detail["type"] == "missing":
        return BadRequest(f"Missing required parameter: '{param}'.", param=param)
    reason = detail["msg"].removeprefix("Value error, ").rstrip(".")
    return BadRequest(f"Invalid value for '{param}': {reason}.", param=param)


def _beyond(field: str) -> BadRequest:
    return BadRequest(
        f"This model's engine does not support '{field}' yet.",
        param=field,
        code="unsupported_parameter",
    )


def _text_of(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in ("text", "input_text", "refusal"):
        raise ValueError(NO_TEXT_IN.format(str(kind)[:40]))
    text = part.get("refusal" if kind == "refusal" else "text")
    if not isinstance(text, str):
        raise ValueError("a text part has a string called text")
    return text


def _as_list(value: Any) -> Any:
    """One string, or one list of tokens, as a list of one."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value and isinstance(value[0], int):
        return [value]
    return value


def _path(loc: tuple[int | str, ...], body: Any) -> str:
    """`messages[0].content`; pydantic's names for the branches of a union are left out."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            if not isinstance(body, list):
                break
            path += f"[{part}]"
            body = body[part] if part < len(body) else None
        else:
            if not isinstance(body, dict):
                break
            path += f".{part}" if path else part
            body = body.get(part)
    return path or "body"
