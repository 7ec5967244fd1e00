"""The few ASGI moves that everything here is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol, Self, TypeVar

import orjson

from server.core.errors import BadRequest, RequestError, SlowRequest, TooLarge
from server.core.limits import BODY_IDLE_S, BODY_S, SMALL_BODY_BYTES

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]
T = TypeVar("T")


class Headers(tuple[Header, ...]):
    """A request's headers at our own server (`server/web/http1`), in the order in which they came.

    Clients say the same headers again and again, and get the same object for it each time: what
    follows from them alone is worked out once.
    """

    first: dict[bytes, bytes]
    """The first value of each name."""
    findings: dict[object, Any]

    def __new__(cls, headers: Iterable[Header]) -> Self:
        made = super().__new__(cls, headers)
        made.first = dict(reversed(made))
        made.findings = {}
        return made


JSON: Header = (b"content-type", b"application/json")
UPGRADE = "upgrade"
"""Among a scope's extensions, at our own server: the protocol that the client rather speaks."""
_NO_SNIFFING: Header = (b"x-content-type-options", b"nosniff")
EVENT_STREAM: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)


class ClientLeft(Exception):
    """Nobody waits for the answer any more; there is nobody to tell either."""


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header called `name` (lower case)."""
    headers = scope["headers"]
    if type(headers) is Headers:
        return headers.first.get(name)
    return first_of(headers, name)


def wants_socket(scope: Scope) -> bool:
    """Whether the client of this request rather speaks WebSocket."""
    if scope["method"] != "GET" or scope["http_version"] != "1.1":
        return False
    wish: bytes | None = scope.get("extensions", {}).get(UPGRADE)
    return wish == b"websocket"


def first_of(headers: Iterable[Header], name: bytes) -> bytes | None:
    """The same, of headers alone."""
    return next((value for key, value in headers if key == name), None)


def found_in(headers: Iterable[Header], find: Callable[[Iterable[Header]], T]) -> T:
    """`find(headers)`, which must follow from them alone; it is remembered unless it raises."""
    try:
        return headers.findings[find]  # type: ignore[attr-defined, no-any-return]
    except KeyError:
        found = headers.findings[find] = find(headers)  # type: ignore[attr-defined]
        return found
    except AttributeError:  # of another server
        return find(headers)


class Served(Protocol):
    """One request at our own server (`server/web/http1`), for what ASGI has no words or only dear
    ones."""

    loop: asyncio.AbstractEventLoop
    more_lines: bytes
    """Of the answer's head, after the application's own headers: `lines_of` makes them."""

    @property
    def is_answered(self) -> bool:
        """Whether the application has begun to answer."""

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Call `listener` when the client leaves before it has its answer, at once if it has left;
        None: no longer. Much cheaper than a task that waits in `receive`."""

    def hold(self, size: int) -> None:
        """So much of the body is kept in memory until the answer is whole. Raises `Unavailable`
        when all requests together keep too much."""

    def take_body(self) -> bytes | None:
        """The body, or what was not received of it yet, if all of it is here; else None."""

    async def respond(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        """The whole answer at once, with its length."""

    def send_now(self, piece: bytes) -> bool:
        """Send a piece of an answer that goes out in chunks. False: `send` it, which may wait."""


def served_by(end: Receive | Send) -> Served | None:
    """The request that `end` belongs to, None at any other server."""
    own: Served | None = getattr(end, "__self__", None)
    return own if hasattr(own, "take_body") else None


def send_whole(
    send: Send, status: int, headers: list[Header], body: bytes, *, head_only: bool = False
) -> Awaitable[None]:
    own = None if head_only else served_by(send)
    if own is not None:
        return own.respond(status, headers, body)
    return _send_whole(send, status, headers, body, head_only=head_only)


async def _send_whole(
    send: Send, status: int, headers: list[Header], body: bytes, *, head_only: bool
) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": b"" if head_only else body})


async def send_json(send: Send, value: Any, status: int = 200) -> None:
    await send_whole(send, status, [JSON], orjson.dumps(value))


async def send_problem(send: Send, error: RequestError, request_id: str | None) -> None:
    """`error` in OpenAI's envelope, with `Retry-After` where it helps."""
    headers = [JSON, *error.headers]
    own = served_by(send)
    if own is None or _NO_SNIFFING[0] not in own.more_lines:
        headers.append(_NO_SNIFFING)
    if error.retry_after_s is not None:
        headers.append((b"retry-after", str(max(1, round(error.retry_after_s))).encode()))
    if error.status == 408:
        headers.append((b"connection", b"close"))
    await send_whole(send, error.status, headers, orjson.dumps(error.envelope(request_id)))


async def read_body(
    scope: Scope, receive: Receive, max_bytes: int, idle_s: float = BODY_IDLE_S
) -> bytes:
    """The whole request body. Raises `TooLarge`, `SlowRequest`, `Unavailable` or `ClientLeft`."""
    declared = found_in(scope["headers"], _declared_bytes)
    if declared > max_bytes:
        raise TooLarge(f"The body has {declared} bytes; the most is {max_bytes}.")
    own = served_by(receive)
    if own is not None:  # it gives up on slow bodies itself
        body = own.take_body()
        if body is None:
            return await _read(receive, max_bytes, own.hold)
        size = len(body)
        if size > max_bytes:
            raise TooLarge(f"The body is larger than {max_bytes} bytes.")
        if size > SMALL_BODY_BYTES:
            own.hold(size)
        return body
    now = asyncio.get_running_loop().time
    end = now() + BODY_S
    try:
        async with asyncio.timeout(idle_s) as limit:
            return await _read(
                receive, max_bytes, lambda size: limit.reschedule(min(now() + idle_s, end))
            )
    except TimeoutError as error:
        raise SlowRequest("The body came too slowly.") from error


def _declared_bytes(headers: Iterable[Header]) -> int:
    """Of the body; 0 where its head does not say."""
    declared = 0
    for name, value in headers:
        if name == b"content-length":
            declared = int(value)
        elif name == b"content-encoding" and value != b"identity":
            raise BadRequest("Send the body without Content-Encoding.", code="unsupported_encoding")
    return declared


async def _read(receive: Receive, max_bytes: int, came: Callable[[int], None]) -> bytes:
    """`came` hears of each piece how long it is."""
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
        came(len(parts[-1]))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def until_left(receive: Receive) -> None:
    """Wait until the client hangs up. The body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
