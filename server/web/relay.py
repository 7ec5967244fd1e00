"""Passing an upstream's answer on: byte for byte, never a false end."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Protocol

from server.core.errors import (
    BadAnswer,
    CutOff,
    RequestError,
    TransportError,
    WorkerLost,
)
from server.core.limits import BETWEEN_TOKENS_S, FIRST_TOKEN_S, MAX_ANSWER_BYTES, WRITE_STALL_S
from server.core.sse import EventSplitter, data_event
from server.web.asgi import Header, Send, send_whole, served_by
from server.web.patience import Patience

_PASSED_ON = (b"content-type", b"content-encoding", b"cache-control", b"retry-after")
_PASSED_ON_PREFIXES = (b"openai-", b"x-ratelimit-", b"x-shortline-")
_NO_BUFFERING: Header = (b"x-accel-buffering", b"no")
_DONE_MARKS = (b"data: [DONE]", b"data:[DONE]")
_ERROR = re.compile(rb'(?:\A|[\r\n])data: ?\{"error":')
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"')
_SECONDS = re.compile(rb"[0-9]{1,4}")
"""A `Retry-After` that a client can be told; a date or nonsense is left out."""
_LAST_PIECES = 8
"""Enough to hold the last content, the finish reason, the usage and the end mark."""
_FAREWELL_S = 2.0


class Upstream(Protocol):
    """What is passed on: `server.clients.http.Answer`, or anything that behaves like it."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Sequence[Header]: ...
    @property
    def take_whole(self) -> Callable[[], bytes | None]: ...
    @property
    def chunk(self) -> Callable[[], Awaitable[bytes]]: ...
    @property
    def pour(self) -> Callable[[Callable[[bytes], bool]], Awaitable[None]]: ...
    @property
    def ended(self) -> bool: ...


def is_stream(upstream: Upstream) -> bool:
    for name, value in upstream.headers:
        if name == b"content-type":
            return value.startswith(b"text/event-stream")
    return False


def passed_headers(upstream: Upstream) -> list[Header]:
    """Those that mean something to the client; the rest belongs to one hop."""
    return [
        (name, value)
        for name, value in upstream.headers
        if _is_passed_on(name) and (name != b"retry-after" or _SECONDS.fullmatch(value))
    ]


async def read_whole(upstream: Upstream, limit: Patience) -> bytes:
    """The whole body, so that half of it can never look like an answer."""
    parts: list[bytes] = []
    size = 0
    while part := await upstream.chunk():
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise BadAnswer(f"an answer is longer than {MAX_ANSWER_BYTES} bytes")
        if upstream.ended:
            break
        limit.allow(BETWEEN_TOKENS_S)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class Stream:
    """A stream of events on its way through; `open` reads its beginning, `pass_on` the rest.

    Nothing is sent before the first whole event is here, so until then the request can still
    go to another worker.
    """

    def __init__(
        self,
        upstream: Upstream,
        limit: Patience,
        change: Callable[[bytes], bytes] | None = None,
        *,
        seen: Callable[[bytes], None] | None = None,
        one_choice: bool = True,
    ) -> None:
        """`change` is applied to whole events, and may leave nothing of them. `seen` hears of all
        that was sent. `one_choice`: a finish reason ends the answer, even where no `[DONE]`
        follows; with several choices it may be that of another one."""
        self._upstream = upstream
        self._limit = limit
        self._change = change
        self._seen = seen
        self._one_choice = one_choice
        self._events = EventSplitter()
        self.last: deque[bytes] = deque(maxlen=_LAST_PIECES)
        """Of what the upstream said, whole events."""
        self.events = 0
        """How many there were in all, as `data:` counts them."""
        self.failed = False
        """The upstream itself ended it with an error event."""
        self._first = b""

    async def open(self) -> None:
        """Wait for the first event. Raises `TransportError` when there is none."""
        self._limit.allow(FIRST_TOKEN_S)
        self._first = await self._next()
        if not self._first:
            raise BadAnswer("the stream ended before its first event")

    async def pass_on(self, send: Send, headers: Sequence[Header] | None = ()) -> None:
        """Send the head and every event. After the head, an error is the last event.

        `headers`: of ours, beside the upstream's; None: the head has been sent already.
        """
        if headers is not None:
            self._limit.allow(WRITE_STALL_S, "client")
            await send(_head(self._upstream, headers))
        try:
            events = self._first
            while events:
                self._limit.allow(WRITE_STALL_S, "client")
                await send({"type": "http.response.body", "body": events, "more_body": True})
                if self._seen is not None:
                    self._seen(events)
                self._limit.allow(BETWEEN_TOKENS_S)
                events = await self._rush(send)
            if not self._has_ended():
                raise BadAnswer("the stream ended without its end mark")
        except TransportError as error:
            if not (isinstance(error, CutOff) and self._end_was_told()):
                raise WorkerLost(
                    "The worker was lost in mid-answer; what came before is incomplete."
                ) from error
        await send({"type": "http.response.body", "body": b""})

    def _has_ended(self) -> bool:
        if self._end_was_told():
            return True
        return self._one_choice and _FINISH.search(b"".join(self.last)) is not None

    def _end_was_told(self) -> bool:
        """An error that was told already is an end too, and is told once."""
        said = b"".join(self.last)
        if _is_done(said):
            return True
        self.failed = _ERROR.search(said) is not None  # a search is not cheap, so it comes last
        return self.failed

    async def _next(self) -> bytes:
        """The next whole events, `b""` at the end of a stream."""
        while chunk := await self._upstream.chunk():
            events = self._whole_events(chunk)
            if events:
                return events
            self._limit.allow(BETWEEN_TOKENS_S)
        self._check_end()
        return b""

    async def _rush(self, send: Send) -> bytes:
        """Send all that can be sent without waiting. Returns what cannot, `b""` at the end.

        As long as the client keeps pace, no task is woken for an event.
        """
        held = b""
        own = served_by(send)
        send_now = own.send_now if own is not None else _never
        whole_events, seen, allow_again = self._whole_events, self._seen, self._limit.allow_again

        def take(chunk: bytes) -> bool:
            nonlocal held
            events = whole_events(chunk)
            if events:
                if not send_now(events):
                    held = events
                    return False
                if seen is not None:
                    seen(events)
            allow_again()
            return True

        await self._upstream.pour(take)
        if not held:
            self._check_end()
        return held

    def _whole_events(self, chunk: bytes) -> bytes:
        """Of what has come; nothing if none is complete yet. Raises `BadAnswer`."""
        if self._events.tail or not chunk.endswith(b"\n\n"):  # most pieces are whole events
            try:
                chunk = self._events.feed(chunk)
            except ValueError as error:
                raise BadAnswer(str(error)) from error
            if not chunk:
                return chunk
        self.last.append(chunk)
        self.events += chunk.count(b"data:")
        return chunk if self._change is None else self._change(chunk)

    def _check_end(self) -> None:
        if self._events.tail.strip():
            raise BadAnswer("the stream ended inside an event")


async def end_with_error(send: Send, error: RequestError, request_id: str) -> None:
    """Say in a stream that has started why it ends here; no `[DONE]` follows."""
    async with asyncio.timeout(_FAREWELL_S):
        body = data_event(error.envelope(request_id))
        await send({"type": "http.response.body", "body": b"event: error\n" + body})


def send_answer(
    send: Send, upstream: Upstream, body: bytes, limit: Patience, headers: Sequence[Header] = ()
) -> Awaitable[None]:
    """Send a whole answer on. `headers`: of ours, beside the upstream's."""
    limit.allow(WRITE_STALL_S, "client")
    told = [*passed_headers(upstream), *headers]
    if limit.served is not None:
        return limit.served.respond(upstream.status, told, body)
    return send_whole(send, upstream.status, told, body)


def _never(events: bytes) -> bool:
    """Another server than ours may make the application wait at any time."""
    return False


@lru_cache(maxsize=128)  # upstreams say the same few names again and again
def _is_passed_on(name: bytes) -> bool:
    return name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)


def _is_done(said: bytes) -> bool:
    """Whether `[DONE]` is the last event; where text only speaks of it, no line begins there."""
    stripped = said.rstrip(b" \r\n")
    for mark in _DONE_MARKS:
        if stripped.endswith(mark):
            return stripped[: -len(mark)][-1:] in (b"", b"\n", b"\r")
    return False


def _head(upstream: Upstream, headers: Sequence[Header]) -> dict[str, object]:
    return {
        "type": "http.response.start",
        "status": upstream.status,
        "headers": [*passed_headers(upstream), *headers, _NO_BUFFERING],
    }
