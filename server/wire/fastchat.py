"""FastChat's own protocol between its controller, workers and API server (fschat 0.2.36).

A stream is a row of JSON objects, each followed by a NUL byte; `text` is all text so far:

    {"text": "He", "error_code": 0, "usage": {…}, "finish_reason": null}\\0{"text": "Hello", …}\\0

https://github.com/lm-sys/FastChat/blob/v0.2.36/fastchat/serve/controller.py
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field

from server.core.limits import MAX_EVENT_BYTES

NUL: Final = b"\0"

SERVER_ERROR_MSG: Final = (
    "**NETWORK ERROR DUE TO HIGH TRAFFIC. PLEASE REGENERATE OR REFRESH THIS PAGE.**"
)

QueueLength = Annotated[int, Field(ge=0, le=1_000_000)]


class ErrorCode(IntEnum):
    """https://github.com/lm-sys/FastChat/blob/v0.2.36/fastchat/constants.py"""

    VALIDATION_TYPE_ERROR = 40001
    INVALID_AUTH_KEY = 40101
    INCORRECT_AUTH_KEY = 40102
    NO_PERMISSION = 40103
    INVALID_MODEL = 40301
    PARAM_OUT_OF_RANGE = 40302
    CONTEXT_OVERFLOW = 40303
    RATE_LIMIT = 42901
    QUOTA_EXCEEDED = 42902
    ENGINE_OVERLOADED = 42903
    INTERNAL_ERROR = 50001
    CUDA_OUT_OF_MEMORY = 50002
    GRADIO_REQUEST_ERROR = 50003
    GRADIO_STREAM_UNKNOWN_ERROR = 50004
    CONTROLLER_NO_WORKER = 50005
    CONTROLLER_WORKER_TIMEOUT = 50006


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class WorkerStatus(Frozen):
    """`/worker_get_status`."""

    model_names: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...]
    speed: float = Field(ge=0)
    queue_length: QueueLength


class RegisterWorker(Frozen):
    """`/register_worker`. Its answer is `null`."""

    worker_name: str
    """The worker's address."""
    check_heart_beat: bool
    """False: it never beats and never expires."""
    worker_status: WorkerStatus | None = None
    """None: the controller asks the worker."""
    multimodal: bool = False


class HeartBeat(Frozen):
    """`/receive_heart_beat`. The answer is `{"exist": bool}`; false: register anew."""

    worker_name: str
    queue_length: QueueLength


class ModelAsked(Frozen):
    """`/get_worker_address`. The answer is `{"address": str}`, empty for none."""

    model: str


def piece(value: dict[str, Any]) -> bytes:
    """One object of a stream."""
    return orjson.dumps(value) + NUL


def failure(code: ErrorCode, text: str = SERVER_ERROR_MSG) -> bytes:
    """The last object of a stream that failed."""
    return piece({"text": text, "error_code": int(code)})


class PieceSplitter:
    """Cuts a stream of bytes behind its NUL bytes, changing none of them."""

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self._tail = b""
        self._max_bytes = max_bytes

    def feed(self, chunk: bytes) -> bytes:
        """The whole pieces now complete. Raises `ValueError` for an endless one."""
        head, nul, tail = chunk.rpartition(NUL)
        whole = self._tail + head + nul if nul else b""
        self._tail = tail if nul else self._tail + tail
        if len(self._tail) > self._max_bytes:
            raise ValueError(f"a piece is longer than {self._max_bytes} bytes")
        return whole

    def rest(self) -> bytes:
        """What is left of a piece that never ended."""
        return self._tail
