"""The gateway as its customers use it: chat streams, counting tokens, the place in the queue.

Every call raises a `TransportError` when the gateway is not there or goes away, and the
`RequestError` that it answered with otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from pydantic import SecretStr

from server.clients.connection import Header
from server.clients.gateway_errors import error_from
from server.clients.http import Answer, HTTPClient
from server.clients.origin import Origin
from server.core.errors import BadAnswer, CutOff, NotFound, RequestError
from server.core.limits import (
    BETWEEN_TOKENS_S,
    FIRST_TOKEN_S,
    MAX_ANSWER_BYTES,
    WHOLE_REQUEST_S,
)
from server.core.sse import EventSplitter, event_data
from server.wire.fleet import SECRET_HEADER

T = TypeVar("T")

DONE_DATA = b"[DONE]"
CALL_S = 2.0
"""For everything but a chat."""
GRACE_S = 5.0
"""The gateway ends a silent stream by itself; it is given so much longer to say so."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What came in one read: the text of one token, or of several."""

    text: str = ""
    finish_reason: str | None = None
    usage: Mapping[str, int] | None = None


class GatewayClient:
    def __init__(self, url: str, key: SecretStr | None, secret: SecretStr) -> None:
        """`url` without `/v1`. `key`: an API key, where the gateway asks for one; `secret`: the
        fleet's, for what is not public."""
        self._origin = Origin.parse(url)
        self._http = HTTPClient()
        self._public: tuple[Header, ...] = ((b"content-type", b"application/json"),)
        if key is not None:
            self._public += ((b"authorization", f"Bearer {key.get_secret_value()}".encode()),)
        self._private = (
            *self._public,
            (SECRET_HEADER.encode(), secret.get_secret_value().encode()),
        )

    def close(self) -> None:
        self._http.close()

    async def chat(self, body: Mapping[str, Any], request_id: str) -> AsyncGenerator[Piece]:
        """Stream one answer. Closing the generator cancels it, down to the model.

        It ends by itself only if the answer is whole: a stream without an end mark is a `CutOff`.
        """
        headers = (*self._public, (b"x-request-id", request_id.encode()))
        raw = orjson.dumps({**body, "stream": True, "stream_options": {"include_usage": True}})
        exchange = self._http.request(self._origin, b"/v1/chat/completions", raw, headers)
        limit = _Limit()
        answer = await limit.read(exchange.__aenter__())
        try:
            if answer.status != 200:
                raise await limit.read(_refusal(answer))
            async for piece in _pieces(answer, limit):
                yield piece
        finally:
            await exchange.__aexit__(None, None, None)

    async def count_tokens(self, model: str, messages: Sequence[Mapping[str, str]]) -> int | None:
        """Tokens of a prompt made of `messages`; None where the model's server cannot count."""
        try:
            counted = await self._call(b"/tokenize", {"model": model, "messages": messages})
        except RequestError:
            return None
        count = counted.get("count")
        return count if isinstance(count, int) else None

    async def place_in_queue(self, request_id: str) -> int | None:
        """1: next in line, 0: being worked on, None: the gateway does not know."""
        path = f"/shortline/queue/{request_id}".encode()
        try:
            said = await self._call(path, method=b"GET")
        except NotFound:
            return None
        position = said.get("position")
        return position if isinstance(position, int) else None

    async def stats(self) -> dict[str, Any]:
        """By worker address: what the gateway has in flight, served and failed there."""
        return await self._call(b"/shortline/stats", method=b"GET")

    async def models(self) -> list[dict[str, Any]]:
        """As `GET /v1/models` lists them."""
        data = (await self._call(b"/v1/models", method=b"GET")).get("data")
        return (
            [model for model in data if isinstance(model, dict)] if isinstance(data, list) else []
        )

    async def _call(
        self, path: bytes, body: Mapping[str, Any] | None = None, *, method: bytes = b"POST"
    ) -> dict[str, Any]:
        raw = b"" if body is None else orjson.dumps(body)
        try:
            async with asyncio.timeout(CALL_S):
                async with self._http.request(
                    self._origin, path, raw, self._private, method=method
                ) as answer:
                    if answer.status != 200:
                        raise await _refusal(answer)
                    return _object(await _whole(answer))
        except TimeoutError as error:
            raise CutOff(f"the gateway took longer than {CALL_S:g} s") from error


class _Limit:
    """How long each read of a stream may take.

    A limit of its own for each read, not one around them all: whoever reads us may do so from a
    new task every time, as LangChain does, and a timeout belongs to one task.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + WHOLE_REQUEST_S + GRACE_S
        self._wait_s = FIRST_TOKEN_S + GRACE_S

    async def read(self, reading: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout_at(min(self._loop.time() + self._wait_s, self._end)):
                return await reading
        except TimeoutError as error:
            raise CutOff("the gateway fell silent") from error

    def has_begun(self) -> None:
        """From here on it is the time between two tokens."""
        self._wait_s = BETWEEN_TOKENS_S + GRACE_S


async def _pieces(answer: Answer, limit: _Limit) -> AsyncGenerator[Piece]:
    """What the events of a stream say, read by read; several events of one read are one piece."""
    splitter = EventSplitter()
    finished = False
    while chunk := await limit.read(answer.chunk()):
        try:
            events = splitter.feed(chunk)
        except ValueError as error:
            raise BadAnswer(str(error)) from error
        limit.has_begun()
        said, is_last = _before_end(event_data(events))
        finished = finished or is_last
        if piece := _together(said):
            yield piece
        if said and "error" in said[-1]:
            raise error_from(said[-1])
    if not finished:
        raise CutOff("the stream ended without its end mark")


def _before_end(events: Sequence[bytes]) -> tuple[list[dict[str, Any]], bool]:
    """What `events` say, an error being the last; and whether the answer is whole with them."""
    said: list[dict[str, Any]] = []
    whole = False
    for data in events:
        if data == DONE_DATA:
            return said, True
        said.append(_object(data))
        if "error" in said[-1]:
            return said, False
        whole = whole or _choice(said[-1])[1] is not None
    return said, whole


def _together(said: Sequence[Mapping[str, Any]]) -> Piece | None:
    choices = [_choice(event) for event in said]
    text = "".join(text for text, _ in choices)
    reason = next((reason for _, reason in reversed(choices) if reason), None)
    usage = next((usage for event in reversed(said) if (usage := _usage(event))), None)
    return Piece(text, reason, usage) if text or reason or usage else None


def _choice(said: Mapping[str, Any]) -> tuple[str, str | None]:
    """Text and finish reason of the first choice; unknown shapes say nothing."""
    choices = said.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    delta = choice.get("delta") if isinstance(choice, dict) else None
    text = delta.get("content") if isinstance(delta, dict) else None
    reason = choice.get("finish_reason") if isinstance(choice, dict) else None
    return (
        text if isinstance(text, str) else "",
        reason if isinstance(reason, str) else None,
    )


def _usage(said: Mapping[str, Any]) -> dict[str, int] | None:
    """Only numbers that make sense: a provider may send anything."""
    usage = said.get("usage")
    if not isinstance(usage, dict):
        return None
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    counts = {name: usage.get(name) for name in names}
    return {
        name: count for name, count in counts.items() if type(count) is int and 0 <= count < 2**53
    }


async def _refusal(answer: Answer) -> RequestError:
    body = await _whole(answer)
    try:
        envelope = orjson.loads(body)
    except ValueError:
        envelope = None
    return error_from(envelope, answer.status, answer.header(b"retry-after"))


async def _whole(answer: Answer) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await answer.chunk():
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise BadAnswer(f"an answer is longer than {MAX_ANSWER_BYTES} bytes")
    return b"".join(parts)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except ValueError as error:
        raise BadAnswer("the gateway did not send JSON") from error
    if not isinstance(value, dict):
        raise BadAnswer("the gateway did not send a JSON object")
    return value
