"""What a FastChat worker says, read piece by piece: cumulative text becomes new text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from server.core.errors import (
    BadAnswer,
    BadRequest,
    ContextLengthExceeded,
    ModelNotFound,
    Overloaded,
    RequestError,
    Unavailable,
    UpstreamFailed,
)
from server.core.limits import RETRY_AFTER_S
from server.wire.fastchat import ErrorCode

MAX_TOKENS = 1_000_000_000
"""More than any answer has; a bigger count is nonsense."""
_BROKEN = "\ufffd"
"""Stands for the bytes of a character that is not complete yet."""


@dataclass(frozen=True, slots=True)
class Delta:
    """New text, and what is known at its end."""

    text: str
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    logprobs: Any = None


class Cumulative:
    """Turns the row of a stream's objects into deltas."""

    def __init__(self) -> None:
        self._sent = 0
        self.finished = False

    def feed(self, raw: bytes) -> Delta:
        """Raises `BadAnswer` for nonsense, and the `RequestError` that an error stands for."""
        said = read_object(raw)
        raise_error(said)
        text = said.get("text")
        if not isinstance(text, str):
            raise BadAnswer("a piece of the stream has no text")
        text = text.rstrip(_BROKEN)
        new = text[self._sent :]
        self._sent += len(new)
        reason = said.get("finish_reason")
        self.finished = isinstance(reason, str)
        usage = said.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        return Delta(
            new,
            reason if isinstance(reason, str) else None,
            _count(usage.get("prompt_tokens")),
            _count(usage.get("completion_tokens")),
            said.get("logprobs"),
        )


def read_object(raw: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadAnswer("the worker sent something that is not JSON") from error
    if not isinstance(value, dict):
        raise BadAnswer("the worker sent JSON that is not an object")
    return value


def raise_error(said: dict[str, Any]) -> None:
    """Raise what `error_code` stands for, if there is one. Its text stays in the worker's log,
    because nobody knows what it shows."""
    code = said.get("error_code", 0)
    if code:
        _raise(code)


def context_exceeded(context: int, tokens: int) -> ContextLengthExceeded:
    return ContextLengthExceeded(
        f"This model's maximum context length is {context} tokens. However, your messages "
        f"resulted in {tokens} tokens. Please reduce the length of the messages.",
        param="messages",
    )


def _raise(code: object) -> NoReturn:
    raise _ERRORS.get(code, _failed)(f"The worker gave up (FastChat's error {code}).")


def _failed(message: str) -> RequestError:
    return UpstreamFailed(message)


def _busy(message: str) -> RequestError:
    return Overloaded(message, retry_after_s=RETRY_AFTER_S)


def _gone(message: str) -> RequestError:
    return Unavailable(message, retry_after_s=RETRY_AFTER_S)


def _too_long(_: str) -> RequestError:
    return ContextLengthExceeded("The messages exceed this model's context length.")


def _out_of_memory(_: str) -> RequestError:
    return UpstreamFailed("The worker ran out of GPU memory.", code="out_of_memory")


_ERRORS: dict[object, Any] = {
    ErrorCode.VALIDATION_TYPE_ERROR: BadRequest,
    ErrorCode.PARAM_OUT_OF_RANGE: BadRequest,
    ErrorCode.INVALID_MODEL: ModelNotFound,
    ErrorCode.CONTEXT_OVERFLOW: _too_long,
    ErrorCode.RATE_LIMIT: _busy,
    ErrorCode.QUOTA_EXCEEDED: _busy,
    ErrorCode.ENGINE_OVERLOADED: _busy,
    ErrorCode.CUDA_OUT_OF_MEMORY: _out_of_memory,
    ErrorCode.CONTROLLER_NO_WORKER: _gone,
    ErrorCode.CONTROLLER_WORKER_TIMEOUT: _gone,
}


def _count(value: object) -> int | None:
    """A number of tokens; None for nonsense."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS:
        return value
    return None
