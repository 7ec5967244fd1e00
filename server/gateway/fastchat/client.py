"""The worker's side of FastChat's protocol, called."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import orjson

from server.clients.calls import about, begun, fetch, next_chunk
from server.clients.connection import Header
from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.core.clock import Clock
from server.core.errors import BadAnswer
from server.core.limits import BETWEEN_TOKENS_S, FIRST_TOKEN_S
from server.gateway.fastchat.pieces import raise_error, read_object
from server.wire.fastchat import NUL, PieceSplitter

TEMPLATE_S = 60.0
"""A template is asked for again after so long: another worker may have taken the address."""
MAX_TEMPLATES = 256
_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"application/json"),
    (b"accept-encoding", b"identity"),
)


@dataclass(frozen=True, slots=True)
class Model:
    """What a worker tells about one of its models."""

    template: dict[str, Any]
    context_length: int | None
    told_at: float


class FastChatClient:
    """Raises `ConnectFailed`, `CutOff` or `BadAnswer` when a worker fails, and the `RequestError`
    that its own error stands for."""

    def __init__(self, http: HTTPClient, clock: Clock) -> None:
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
        with about(f"the FastChat worker at {address}"):
            said = await fetch(
                self._http,
                Origin.parse(address),
                path.encode(),
                orjson.dumps(question),
                _HEADERS,
                within_s=FIRST_TOKEN_S,
            )
        if said.status != 200:
            raise BadAnswer(f"the worker answered {path} with {said.status}")
        told = read_object(said.body)
        raise_error(told)
        return told

    async def pieces(self, address: str, asked: dict[str, Any]) -> AsyncGenerator[bytes]:
        """The JSON objects of one stream."""
        splitter = PieceSplitter()
        exchange = self._http.request(
            Origin.parse(address), b"/worker_generate_stream", orjson.dumps(asked), _HEADERS
        )
        with about(f"the FastChat worker at {address}"):
            async with begun(exchange, FIRST_TOKEN_S) as answer:
                if answer.status != 200:
                    raise BadAnswer(f"the worker answered {answer.status}")
                patience_s = FIRST_TOKEN_S
                while chunk := await next_chunk(answer, patience_s):
                    patience_s = BETWEEN_TOKENS_S
                    for raw in _split(splitter, chunk):
                        yield raw


def _split(splitter: PieceSplitter, chunk: bytes) -> list[bytes]:
    try:
        return [raw for raw in splitter.feed(chunk).split(NUL) if raw]
    except ValueError as error:
        raise BadAnswer(str(error)) from error


def natural(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None
