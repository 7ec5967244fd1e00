"""Stands for a client that waits for nothing, and wants its answer all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import orjson

from server.gateway.dialects.responses.story import Story
from server.gateway.dialects.values import Json
from server.web.asgi import Header, Message


class Absent:
    """To whoever answers it is a request at our own server: see `server.web.asgi.Served`."""

    more_lines = b""

    def __init__(self, story: Story | None) -> None:
        """`story`: of its stream; None: it is none."""
        self.loop = asyncio.get_running_loop()
        self.is_answered = False
        self.admitted = asyncio.Event()
        """Limits let it in."""
        self.error: Json | None = None
        """What was answered instead of a response."""
        self.story = story
        self.unwanted = False
        self._listener: Callable[[], None] | None = None

    def cancel(self) -> None:
        self.unwanted = True
        if self._listener is not None:
            self._listener()

    def tell(self, piece: bytes) -> None:
        if self.story is not None:
            self.story.tell(piece)

    def listen(self, listener: Callable[[], None] | None) -> None:
        self._listener = listener
        self.admitted.set()
        if listener is not None and self.unwanted:
            listener()

    def hold(self, size: int) -> None:
        pass

    def take_body(self) -> bytes | None:
        return None

    async def receive(self) -> Message:
        return {"type": "http.disconnect"}

    async def respond(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        self.is_answered = True
        if status >= 400:
            self.error = _error_in(body)

    def send_now(self, piece: bytes) -> bool:
        self.tell(piece)
        return True

    async def send(self, message: Message) -> None:
        self.is_answered = True
        if piece := message.get("body"):
            self.tell(piece)


def _error_in(body: bytes) -> Json:
    """Of an answer with an error's status, which may be a worker's own."""
    try:
        error = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        error = None
    return error if isinstance(error, dict) else {"message": "The model refused the request."}
