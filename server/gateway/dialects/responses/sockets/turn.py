"""The client of one response on a socket, in the place of one that asks over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

import orjson

from server.gateway.dialects.responses.retelling import retold
from server.gateway.dialects.responses.sockets.events import failure
from server.gateway.dialects.responses.standing_in import StandIn, error_in
from server.web.asgi import Header, Message
from server.web.websocket.socket import Socket

_EVENT: Final = b"event:"
_DATA: Final = b"\ndata: "


class Turn(StandIn):
    def __init__(self, socket: Socket, lane: str) -> None:
        super().__init__()
        self._socket = socket
        self._lane = lane
        self._end = b',"stream_id":"%b"}' % lane.encode() if lane else b"}"

    def tell(self, piece: bytes) -> None:
        """Whole events of a stream, each as one message; comments are for streams alone."""
        self._socket.send(
            [
                event.partition(_DATA)[2][:-1] + self._end
                for event in piece.split(b"\n\n")
                if event.startswith(_EVENT)
            ]
        )

    async def respond(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        """Some workers answer whole where a stream was asked for."""
        self.is_answered = True
        if status < 400:
            self.tell(retold(orjson.loads(body), 0))
        else:
            self._socket.send([failure(error_in(body), status, self._lane, _wait_s(headers))])
        await self._socket.unblocked()

    def send_now(self, piece: bytes) -> bool:
        if self._socket.blocked or self._socket.over:
            return False
        self.tell(piece)
        return True

    async def send(self, message: Message) -> None:
        self.is_answered = True
        if piece := message.get("body"):
            self.tell(piece)
        await self._socket.unblocked()
        if self._socket.over:
            await asyncio.sleep(0)


def _wait_s(headers: Iterable[Header]) -> float | None:
    for name, value in headers:
        if name == b"retry-after" and value.isdigit():
            return float(value)
    return None
