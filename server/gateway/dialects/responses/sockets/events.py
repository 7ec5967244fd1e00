"""The events of a client, and what it hears of errors: each is one message of text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from server.core.errors import BadRequest, RequestError, UnsupportedMedia
from server.core.strict_json import parse_object
from server.gateway.dialects.values import Json
from server.web.websocket.socket import Message
from server.wire.openai_refusals import bad

CREATE: Final = "response.create"
STEER: Final = "response.steer"
_LANE: Final = re.compile(r"[A-Za-z0-9_.-]{1,256}")


@dataclass(frozen=True, slots=True)
class Create:
    """A wish for a response."""

    body: Json
    lane: str
    """Its `stream_id`; empty: none."""
    size: int
    """Bytes that are held until the response has ended."""

    @property
    def generate(self) -> bool:
        return self.body.get("generate") is not False


def read_event(message: Message) -> Json:
    """Raises `RequestError`s for what is no event."""
    if not message.is_text:
        raise UnsupportedMedia("Send events as text; binary messages mean nothing here.")
    return parse_object(message.payload)


def lane_of(event: Json) -> str:
    """The event's `stream_id`, empty if it has none. Raises `BadRequest`."""
    lane = event.get("stream_id")
    if lane is None:
        return ""
    if not isinstance(lane, str) or _LANE.fullmatch(lane) is None:
        raise BadRequest(
            "'stream_id' has 1 to 256 letters, digits, underscores, hyphens or periods.",
            param="stream_id",
            code="invalid_stream_id",
        )
    return lane


def read_create(event: Json, lane: str, size: int) -> Create:
    """`size`: of the message. Raises `BadRequest`. Fields that only HTTP needs (`stream`) change
    nothing."""
    if event.get("type") != CREATE:
        raise bad("type", f"the events of a client are {CREATE} and {STEER}")
    if event.get("background"):
        raise BadRequest(
            "'background' is not supported over WebSocket.",
            param="background",
            code="unsupported_parameter",
        )
    if not isinstance(event.get("generate"), bool | None):
        raise bad("generate", "it must be true or false")
    body = {name: value for name, value in event.items() if name != "background"}
    return Create(body, lane, size)


def problem(error: RequestError, lane: str, request_id: str) -> bytes:
    return failure(error.envelope(request_id)["error"], error.status, lane, error.retry_after_s)


def failure(error: Json, status: int, lane: str, retry_after_s: float | None = None) -> bytes:
    """`error`: as it stands in OpenAI's envelope."""
    said: Json = error | {"code": error.get("code") or error.get("type") or "error"}
    if retry_after_s is not None:
        said["headers"] = {"retry-after": str(max(1, round(retry_after_s)))}
    event: dict[str, Any] = {"type": "error", "status": status, "error": said}
    if lane:
        event["stream_id"] = lane
    return orjson.dumps(event)


def not_steered(event: Json) -> bytes:
    """A model that writes listens to nobody."""
    error = {
        "type": "invalid_request_error",
        "code": "steering_not_supported",
        "message": "No model here can be steered while it answers.",
    }
    steer = {name: event.get(name) for name in ("previous_response_id", "input")}
    told = {"type": f"{STEER}.failed", "sequence_number": 0, "error": error, "steer": steer}
    return orjson.dumps(told)
