"""The gateway as its customers use it: chat streams, counting tokens, the place in the queue.

Every call raises a `TransportError` when the gateway is not there or goes away, and the
`RequestError` that it answered with otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from pydantic import SecretStr, ValidationError

from server.clients.chat_stream import GRACE_S, Patience, Piece, pieces_of, read_object
from server.clients.connection import Header
from server.clients.gateway_errors import error_from
from server.clients.http import Answer, HTTPClient
from server.clients.origin import Origin
from server.core.errors import BadAnswer, CutOff, NotFound, RequestError
from server.core.limits import (
    FIRST_TOKEN_S,
    MAX_ANSWER_BYTES,
)
from server.wire.fleet import SECRET_HEADER
from server.wire.stats import Place

CALL_S = 2.0
"""For everything but a chat."""
FIRST_S = FIRST_TOKEN_S + GRACE_S
"""For the head of a chat's answer, from when its model is loaded."""


class GatewayClient:
    def __init__(self, url: str, key: SecretStr | None, secret: SecretStr) -> None:
        """`url` without `/v1`. `key`: an API key, where the gateway asks for one; `secret`: the
        fleet's, for what is not public."""
        self._origin = Origin.parse(url)
        self._http = HTTPClient()
        self._silent: dict[str, asyncio.Timeout] = {}
        """By request, of chats whose answer has not begun."""
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
        try:
            async with asyncio.timeout(FIRST_S) as self._silent[request_id]:
                answer = await exchange.__aenter__()
        except TimeoutError as error:
            raise CutOff("the gateway fell silent") from error
        finally:
            self._silent.pop(request_id, None)
        limit = Patience(answer)
        try:
            if answer.status != 200:
                raise _as_error(answer, await _whole(limit.read))
            async for piece in pieces_of(limit):
                yield piece
        finally:
            limit.close()
            await exchange.__aexit__(None, None, None)

    async def count_tokens(self, model: str, messages: Sequence[Mapping[str, str]]) -> int | None:
        """Tokens of a prompt made of `messages`; None where the model's server cannot count."""
        try:
            counted = await self._call(b"/tokenize", {"model": model, "messages": messages})
        except RequestError:
            return None
        count = counted.get("count")
        return count if isinstance(count, int) else None

    async def place_in_queue(self, request_id: str) -> Place | None:
        """None: the gateway does not know. A chat whose model is being loaded is given more time
        by being asked about: nobody can tell beforehand how long that takes."""
        path = f"/shortline/queue/{request_id}".encode()
        try:
            said = await self._call(path, method=b"GET")
        except NotFound:
            return None
        try:
            place = Place.model_validate(said)
        except ValidationError:
            return None
        silent = self._silent.get(request_id) if place.loading else None
        if silent is not None and not silent.expired():
            silent.reschedule(asyncio.get_running_loop().time() + FIRST_S)
        return place

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
                    said = await _whole(answer.chunk)
                    if answer.status != 200:
                        raise _as_error(answer, said)
                    return read_object(said)
        except TimeoutError as error:
            raise CutOff(f"the gateway took longer than {CALL_S:g} s") from error


def _as_error(answer: Answer, body: bytes) -> RequestError:
    try:
        envelope = orjson.loads(body)
    except ValueError:
        envelope = None
    return error_from(envelope, answer.status, answer.header(b"retry-after"))


async def _whole(read: Callable[[], Awaitable[bytes]]) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await read():
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise BadAnswer(f"an answer is longer than {MAX_ANSWER_BYTES} bytes")
    return b"".join(parts)
