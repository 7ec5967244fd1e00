"""Stands for a client that waits for nothing, and wants its answer all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from server.gateway.dialects.responses.standing_in import StandIn, error_in
from server.gateway.dialects.responses.story import Story
from server.gateway.dialects.values import Json
from server.web.asgi import Header, Message


class Absent(StandIn):
    def __init__(self, story: Story | None) -> None:
        """`story`: of its stream; None: it is none."""
        super().__init__()
        self.admitted = asyncio.Event()
        """Limits let it in."""
        self.error: Json | None = None
        """What was answered instead of a response."""
        self.story = story

    def tell(self, piece: bytes) -> None:
        if self.story is not None:
            self.story.tell(piece)

    def listen(self, listener: Callable[[], None] | None) -> None:
        self.admitted.set()
        super().listen(listener)

    async def respond(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        self.is_answered = True
        if status >= 400:
            self.error = error_in(body)

    def send_now(self, piece: bytes) -> bool:
        self.tell(piece)
        return True

    async def send(self, message: Message) -> None:
        self.is_answered = True
        if piece := message.get("body"):
            self.tell(piece)
