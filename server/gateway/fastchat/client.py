"""The worker's side of FastChat's protocol, called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from server.clients.httpx_errors import typed
from server.core.clock import Clock
from server.core.errors import BadAnswer, CutOff
from server.core.limits import BETWEEN_TOKENS_S, CONNECT_S, FIRST_TOKEN_S, MAX_ANSWER_BYTES
from server.gateway.fastchat.pieces import raise_error, read_object
from server.wire.fastchat import NUL, PieceSplitter

TEMPLATE_S = 60.0
"""A template is asked for again after so long: another worker may have taken the address."""
MAX_TEMPLATES = 256
_TIMEOUT = httpx.Timeout(FIRST_TOKEN_S, connect=CONNECT_S)
_HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Model:
    """What a worker tells about one of its models."""

    template: dict[str, Any]
    context_length: int | None
    told_at: float


class FastChatClient:
    """Raises `ConnectFailed`, `CutOff` or `BadAnswer` when a worker fails, and the `RequestError`
    that its own error stands for."""

    def __init__(self, http: httpx.AsyncClient, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._models: dict[tuple[str, str], Model] = {}

    async def model(self, address: str, name: str) -> Model:
        now = self._clock.monotonic()
        known = self._models.get((address, name))
        if known is not None and now - known.told_at < TEMPLATE_S:
            return known
        question = {"model": name}
        template = (await self.call(address, "/worker_get_conv_template", question)).get("conv")
        details = await self.call(address, "/model_details", question)
        if not isinstance(template, dict):
            raise BadAnswer("the worker has no conversation template")
        if len(self._models) >= MAX_TEMPLATES:
            self._models.clear()
        model = Model(template, natural(details.get("context_length")), now)
        self._models[address, name] = model
        return model

    async def call(self, address: str, path: str, question: dict[str, Any]) -> dict[str, Any]:
        with typed(f"the FastChat worker at {address}"):
            async with self._http.stream(
                "POST", address + path, timeout=_TIMEOUT, **_json(question)
            ) as answer:
                if answer.status_code != 200:
                    raise BadAnswer(f"the worker answered {path} with {answer.status_code}")
                said = read_object(await _whole(answer))
        raise_error(said)
        return said

    async def pieces(self, address: str, asked: dict[str, Any]) -> AsyncGenerator[bytes]:
        """The JSON objects of one stream."""
        splitter = PieceSplitter()
        with typed(f"the FastChat worker at {address}"):
            async with self._http.stream(
                "POST", f"{address}/worker_generate_stream", timeout=_TIMEOUT, **_json(asked)
            ) as answer:
                if answer.status_code != 200:
                    raise BadAnswer(f"the worker answered {answer.status_code}")
                chunks = answer.aiter_raw()
                patience_s = FIRST_TOKEN_S
                while chunk := await _within(patience_s, chunks):
                    patience_s = BETWEEN_TOKENS_S
                    for raw in _split(splitter, chunk):
                        yield raw


def _json(value: dict[str, Any]) -> dict[str, Any]:
    return {"content": orjson.dumps(value), "headers": _HEADERS}


async def _whole(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise BadAnswer("the worker's answer has no end")
    return bytes(body)


async def _within(seconds: float, chunks: AsyncIterator[bytes]) -> bytes:
    """The next chunk, `b""` at the end."""
    try:
        async with asyncio.timeout(seconds):
            return await anext(chunks, b"")
    except TimeoutError as error:
        raise CutOff(f"the worker was silent for {seconds:.0f} s") from error


def _split(splitter: PieceSplitter, chunk: bytes) -> list[bytes]:
    try:
        return [raw for raw in splitter.feed(chunk).split(NUL) if raw]
    except ValueError as error:
        raise BadAnswer(str(error)) from error


def natural(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None
