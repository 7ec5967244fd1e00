"""Stands in the place of a client whose request is no HTTP request of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import orjson

from server.gateway.dialects.values import Json
from server.web.asgi import Message


class StandIn:
    """To whoever answers it is a request at our own server: see `server.web.asgi.Served`, whose
    `respond`, `send_now` and `send` are left to others."""

    more_lines = b""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_answered = False
        self.unwanted = False
        self._listener: Callable[[], None] | None = None

    def cancel(self) -> None:
        """Nobody wants the answer any more."""
        self.unwanted = True
        if self._listener is not None:
            self._listener()

    def listen(self, listener: Callable[[], None] | None) -> None:
        self._listener = listener
        if listener is not None and self.unwanted:
            listener()

    def hold(self, size: int) -> None:
        pass

    def take_body(self) -> bytes | None:
        return None

    async def receive(self) -> Message:
        return {"type": "http.disconnect"}


def error_in(body: bytes) -> Json:
    """Of an answer with an error's status, which may be a worker's own."""
    try:
        error = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        error = None
    return error if isinstance(error, dict) else {"message": "The model refused the request."}
