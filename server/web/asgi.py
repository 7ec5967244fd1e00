"""The few ASGI moves that everything here is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from server.core.errors import BadRequest, RequestError, SlowRequest, TooLarge
from server.core.limits import BODY_IDLE_S, BODY_S

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json")
EVENT_STREAM: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)


class ClientLeft(Exception):
    """Nobody waits for the answer any more; there is nobody to tell either."""


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header called `name` (lower case)."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return None


async def send_whole(
    send: Send, status: int, headers: list[Header], body: bytes, *, head_only: bool = False
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": b"" if head_only else body})


async def send_json(send: Send, value: Any, status: int = 200) -> None:
    await send_whole(send, status, [JSON], orjson.dumps(value))


async def send_problem(send: Send, error: RequestError, request_id: str | None) -> None:
    """`error` in OpenAI's envelope, with `Retry-After` where it helps."""
    headers = [JSON, (b"x-content-type-options", b"nosniff"), *error.headers]
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(max(1, round(error.retry_after_s))).encode()))
    if error.status == 408:
        headers.append((b"connection", b"close"))
    await send_whole(send, error.status, headers, orjson.dumps(error.envelope(request_id)))


async def read_body(
    scope: Scope, receive: Receive, max_bytes: int, idle_s: float = BODY_IDLE_S
) -> bytes:
    """The whole request body. Raises `TooLarge`, `SlowRequest` or `ClientLeft`."""
    declared = header(scope, b"content-length")
    if declared is not None and int(declared) > max_bytes:
        raise TooLarge(f"The body has {int(declared)} bytes; the most is {max_bytes}.")
    if header(scope, b"content-encoding") not in (None, b"identity"):
        raise BadRequest("Send the body without Content-Encoding.", code="unsupported_encoding")
    if listen_of(receive) is not None:  # our own server gives up on slow bodies itself
        return await _read(receive, max_bytes)
    now = asyncio.get_running_loop().time
    end = now() + BODY_S
    try:
        async with asyncio.timeout(idle_s) as limit:
            return await _read(
                receive, max_bytes, lambda: limit.reschedule(min(now() + idle_s, end))
            )
    except TimeoutError as error:
        raise SlowRequest("The body came too slowly.") from error


async def _read(receive: Receive, max_bytes: int, came: Callable[[], None] = lambda: None) -> bytes:
    """`came` is called after each piece that is not the last."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > max_bytes:
            raise TooLarge(f"The body is larger than {max_bytes} bytes.")
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
        came()


Listen = Callable[[Callable[[], None] | None], None]
"""Calls a listener when the client leaves before it has its answer; None: no longer."""


def listen_of(receive: Receive) -> Listen | None:
    """Of our own server (`server/web/http1`): much cheaper than a task that waits in `receive`."""
    listen: Listen | None = getattr(getattr(receive, "__self__", None), "listen", None)
    return listen


async def until_left(receive: Receive) -> None:
    """Wait until the client hangs up. The body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
